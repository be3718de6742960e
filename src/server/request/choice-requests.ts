import type { GenerationRequest } from '../../engine/generation.ts';
import type { ChatCompletionRequest } from '../api/openai-chat/request-schema.ts';
import { ApiError } from '../http/errors.ts';
import type { HttpSettings } from '../http/settings.ts';

/**
 * How many choices a request asks for.
 * @throws ApiError for more than the operator allows
 */
export function resolveChoices(
  { n }: Pick<ChatCompletionRequest, 'n'>,
  { maxChoices }: Pick<HttpSettings, 'maxChoices'>,
): number {
  const count = n ?? 1;
  if (count <= maxChoices) return count;
  const message = `\`n\` must be at most ${maxChoices} on this server; got ${count}.`;
  throw new ApiError('invalid_value', message, { param: 'n' });
}

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
