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
 * last sent to it. A guess from the outside, as requests end, are parked and take each other's slots inside; one that
 * is wrong costs the time of a prompt.
 */
export class EngineMemory {
  readonly #options: EngineMemoryOptions;
  /** The one used last at the end. */
  #chains: PromptChain[] = [];
  readonly #images = new Map<string, number>();
  #imageTokens = 0;

  constructor(options: EngineMemoryOptions) {
    this.#options = options;
  }

  /** Tokens of a prompt that need not be computed again: its longest known prefix, and known images after that. */
  known({ chain, images }: Pick<RoutedPrompt, 'chain' | 'images'>): number {
    const prefix = Math.max(0, ...this.#chains.map((each) => sharedTokens(each, chain)));
    const seen = images.filter(({ hash, start }) => start >= prefix && this.#images.has(hash));
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
    for (const { hash, numTokens } of images) this.#addImage(hash, numTokens);
  }

  /** The engine's process is a new one. */
  clear(): void {
    this.#chains = [];
    this.#images.clear();
    this.#imageTokens = 0;
  }

  #addImage(hash: string, numTokens: number): void {
    this.#drop(hash);
    this.#images.set(hash, numTokens);
    this.#imageTokens += numTokens;
    for (const oldest of this.#images.keys()) {
      if (this.#imageTokens <= this.#options.imageTokens) break;
      this.#drop(oldest);
    }
  }

  #drop(hash: string): void {
    this.#imageTokens -= this.#images.get(hash) ?? 0;
    this.#images.delete(hash);
  }
}
