import type { TokenPrefix } from '../engine/token-prefix.ts';
import { type PromptChain, sharedTokens } from './prompt-chain.ts';

export interface EngineMemoryOptions {
  /** Prompts an engine keeps: one a slot; 0 where prefixes are not reused. */
  readonly numPrompts: number;
  /** Tokens of pictures whose features an engine keeps. */
  readonly pictureTokens: number;
}

/** A prompt with its chain. */
export interface RoutedPrompt extends TokenPrefix {
  readonly chain: PromptChain;
}

/**
 * What an engine probably has of earlier prompts: those last sent to it, one for each of its slots, and the pictures
 * last sent to it. A guess from the outside, as requests end, are parked and take each other's slots inside; one that
 * is wrong costs the time of a prompt.
 */
export class EngineMemory {
  readonly #options: EngineMemoryOptions;
  /** The one used last at the end. */
  #chains: PromptChain[] = [];
  readonly #pictures = new Map<string, number>();
  #pictureTokens = 0;

  constructor(options: EngineMemoryOptions) {
    this.#options = options;
  }

  /** Tokens of a prompt that need not be computed again: its longest known prefix, and known pictures after that. */
  known({ chain, pictures }: Pick<RoutedPrompt, 'chain' | 'pictures'>): number {
    const prefix = Math.max(0, ...this.#chains.map((each) => sharedTokens(each, chain)));
    const seen = pictures.filter(({ hash, start }) => start >= prefix && this.#pictures.has(hash));
    return prefix + seen.reduce((sum, { numTokens }) => sum + numTokens, 0);
  }

  /** The prompt goes to the engine: its beginning stays, in the place of one it goes on from or of the oldest. */
  add({ chain, pictures }: Pick<RoutedPrompt, 'chain' | 'pictures'>): void {
    const isWithin = (each: PromptChain): boolean =>
      sharedTokens(each, chain) === sharedTokens(each, each);
    const { numPrompts } = this.#options;
    const replaced = this.#chains.findLastIndex(isWithin);
    if (replaced >= 0) this.#chains.splice(replaced, 1);
    this.#chains.push(chain);
    if (this.#chains.length > numPrompts) this.#chains.shift();
    for (const { hash, numTokens } of pictures) this.#addPicture(hash, numTokens);
  }

  /** The engine's process is a new one. */
  clear(): void {
    this.#chains = [];
    this.#pictures.clear();
    this.#pictureTokens = 0;
  }

  #addPicture(hash: string, numTokens: number): void {
    this.#drop(hash);
    this.#pictures.set(hash, numTokens);
    this.#pictureTokens += numTokens;
    for (const oldest of this.#pictures.keys()) {
      if (this.#pictureTokens <= this.#options.pictureTokens) break;
      this.#drop(oldest);
    }
  }

  #drop(hash: string): void {
    this.#pictureTokens -= this.#pictures.get(hash) ?? 0;
    this.#pictures.delete(hash);
  }
}
