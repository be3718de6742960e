import { LRUCache } from 'lru-cache';
import type { TokenPrefix } from '../../../engine/token-prefix.ts';
import { type PromptChain, sharedTokens } from './prompt-chain.ts';

export interface EngineMemoryOptions {
  /** Prompts an engine keeps: one a slot; 0 where prefixes are not reused. */
  readonly numPrompts: number;
  /** Tokens of images whose features an engine keeps. */
  readonly imageTokens: number;
}

/** A prompt with its chain. */
export interface RoutedPrompt extends TokenPrefix {
  readonly chain: PromptChain;
}

/**
 * What an engine probably has of earlier prompts: those last sent to it, one for each of its slots, and the images
 * last sent to it. This is an estimate: inside the engine requests end, are preempted and take each other's slots. A
 * wrong estimate costs the time of a prompt.
 */
export class EngineMemory {
  readonly #options: EngineMemoryOptions;
  /** The one used last at the end. */
  #chains: PromptChain[] = [];
  /** Tokens by image hash; null where the engine keeps no images. */
  readonly #images: LRUCache<string, number> | null;

  constructor(options: EngineMemoryOptions) {
    this.#options = options;
    const maxSize = options.imageTokens;
    this.#images =
      maxSize > 0 ? new LRUCache({ maxSize, sizeCalculation: (numTokens) => numTokens }) : null;
  }

  /** Tokens of a prompt that need not be computed again: its longest known prefix, and known images after that. */
  known({ chain, images }: Pick<RoutedPrompt, 'chain' | 'images'>): number {
    const prefix = Math.max(0, ...this.#chains.map((each) => sharedTokens(each, chain)));
    const seen = images.filter(({ hash, start }) => start >= prefix && this.#images?.has(hash));
    return prefix + seen.reduce((sum, { numTokens }) => sum + numTokens, 0);
  }

  /** The prompt goes to the engine: its beginning stays, in the place of one it goes on from or of the oldest. */
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

  /** The engine's process is a new one. */
  clear(): void {
    this.#chains = [];
    this.#images?.clear();
  }
}
