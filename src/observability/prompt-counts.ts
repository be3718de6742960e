import type { GenerationUsage } from '../engine/generation.ts';
import type { ObservedRequest } from './log-entry.ts';

export interface PromptCounts {
  readonly prompt: number;
  /** Of these, placeholders of pictures. */
  readonly image: number;
  /** Of these, found in the cache. */
  readonly cached: number;
}

type Observed = Pick<ObservedRequest, 'facts' | 'generations'>;

/**
 * Prompt tokens of a request. The choices of a prompt share it: whoever came after the first found what that one had
 * computed. The calls of a strategy have each their own.
 * @returns null where no generation came to its end
 */
export function promptCounts(observed: Observed): PromptCounts | null {
  const prompts = generationsByPrompt(observed)
    .map((generations) => generations.flatMap(({ finish }) => finish?.usage ?? []))
    .flatMap(countsOfOne);
  if (prompts.length === 0) return null;
  const sum = (read: (counts: PromptCounts) => number): number =>
    prompts.reduce((total, counts) => total + read(counts), 0);
  return {
    prompt: sum(({ prompt }) => prompt),
    image: sum(({ image }) => image),
    cached: sum(({ cached }) => cached),
  };
}

function generationsByPrompt({ facts, generations }: Observed): Observed['generations'][] {
  const isStrategy = facts?.strategy !== undefined;
  const numPrompts = isStrategy ? generations.length : (facts?.numPrompts ?? 1);
  const perPrompt = generations.length / numPrompts;
  return Array.from({ length: numPrompts }, (_, index) =>
    generations.slice(index * perPrompt, (index + 1) * perPrompt),
  );
}

function countsOfOne(usages: readonly GenerationUsage[]): PromptCounts[] {
  const [first] = usages;
  if (first === undefined) return [];
  const { promptTokens: prompt, imageTokens: image } = first;
  return [{ prompt, image, cached: Math.min(...usages.map(({ cachedTokens }) => cachedTokens)) }];
}
