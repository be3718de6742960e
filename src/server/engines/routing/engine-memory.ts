import { LRUCache } from 'lru-cache';
import type { TokenPrefix } from '../../../engine/token-prefix.ts';
import { type PromptChain, sharedTokens } from './prompt-chain.ts';

export interface EngineMemoryOptions {
  /** Prompts that an engine keeps: one for each slot; 0 when prefixes are not reused. */
  readonly numPrompts: number;
  /** Tokens of the images whose features an engine keeps; a whole number. */
  readonly imageTokens: number;
}

/** A prompt with its chain. */
export interface RoutedPrompt extends TokenPrefix {
  readonly chain: PromptChain;
}

/**
 * Estimates what an engine has cached: the prompts last sent to it, one for each of its slots, and the images last sent
 * to it. Inside the engine, requests end, are preempted and take each other's slots, so this can be wrong; a wrong
 * estimate costs the time of a prompt.
 */
export class EngineMemory {
  readonly #options: EngineMemoryOptions;
  /** The most recently used chain is last. */
  #chains: PromptChain[] = [];
  /** Tokens by image hash; null when the engine keeps no images. */
  readonly #images: LRUCache<string, number> | null;

  constructor(options: EngineMemoryOptions) {
    this.#options = options;
    const maxSize = options.imageTokens;
    this.#images =
      maxSize > 0 ? new LRUCache({ maxSize, sizeCalculation: (numTokens) => numTokens }) : null;
  }

  /** Tokens of a prompt that the engine has: the longest known prefix, and the known images after it. */
  known({ chain, images }: Pick<RoutedPrompt, 'chain' | 'images'>): number {
    const prefix = Math.max(0, ...this.#chains.map((each) => sharedTokens(each, chain)));
    const seen = images.filter(({ hash, start }) => start >= prefix && this.#images?.has(hash));
    return prefix + seen.reduce((sum, { numTokens }) => sum + numTokens, 0);
  }

  /** Notes that the prompt goes to the engine. It replaces the chain that it continues, or the oldest. */
  add({ chain, images }: Pick<RoutedPrompt, 'chain' | 'images'>): void {
    const isWithin = (each: PromptChain): boolean =>
      sharedTokens(each, chain) === sharedTokens(each, each);
    const { numPrompts } = this.#options;
    const replaced = this.#chains.findLastIndex(isWithin);
    if (replaced >= 0) this.#chains.splice(replaced, 1);
    this.#chains.push(chain);
    if (this.#chains.length > numPrompts) this.#chains.shift();
    for (const { hash, numTokens } of images) this.#images?.set(hash, numTokens);
  }

  /** Forgets everything, for a new process. */
  clear(): void {
    this.#chains = [];
    this.#images?.clear();
  }
}
