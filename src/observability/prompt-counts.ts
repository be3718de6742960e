import type { GenerationUsage } from '../engine/generation.ts';
import type { ObservedRequest } from './log-entry.ts';

export interface PromptCounts {
  readonly prompt: number;
  /** Of these, placeholders of pictures. */
  readonly image: number;
  /** Of these, found in the cache. */
  readonly cached: number;
}

/**
 * Prompt tokens of a request. Its choices share one prompt: whoever came after the first found what that one had
 * computed. The calls of a strategy have each their own.
 * @returns null where no generation came to its end
 */
export function promptCounts({
  facts,
  generations,
}: Pick<ObservedRequest, 'facts' | 'generations'>): PromptCounts | null {
  const usages = generations.flatMap(({ finish }) => finish?.usage ?? []);
  const [first] = usages;
  if (first === undefined) return null;
  const { promptTokens: prompt, imageTokens: image } = first;
  if (facts?.strategy === undefined) {
    return { prompt, image, cached: Math.min(...usages.map(({ cachedTokens }) => cachedTokens)) };
  }
  const sum = (read: (usage: GenerationUsage) => number): number =>
    usages.reduce((total, usage) => total + read(usage), 0);
  return {
    prompt: sum((usage) => usage.promptTokens),
    image: sum((usage) => usage.imageTokens),
    cached: sum((usage) => usage.cachedTokens),
  };
}
