import type { GenerationRequest } from '../../engine/generation.ts';

/**
 * The engine's requests of a reply's choices: the same prompt, each with an id and a seed of its own. They differ in
 * what chance makes of them, so at temperature 0 they are all alike. The only choice of a reply is the request itself.
 */
export function choiceRequests(request: GenerationRequest, count: number): GenerationRequest[] {
  if (count === 1) return [request];
  const { id, sampling } = request;
  return Array.from({ length: count }, (_, index) => ({
    ...request,
    id: `${id}-${index}`,
    sampling: { ...sampling, seed: sampling.seed + index },
  }));
}
