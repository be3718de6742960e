import type { TokenConstraint } from '../../src/engine/token-constraint.ts';
import { EOS, tokenBytes, VOCAB_SIZE } from './byte-tokens.ts';

export interface TextConstraintOptions {
  readonly endTokens?: readonly number[];
  /** Its mask is not known before `release`. */
  readonly isHeld?: boolean;
  /** Another than that of `byte-tokens`. */
  readonly vocabulary?: {
    readonly size: number;
    readonly tokenBytes: (tokenId: number) => Uint8Array;
  };
}

/** Holds an answer to one of some texts, byte by byte. The mask comes when `release` is called, or at once. */
export class TextConstraint implements TokenConstraint {
  readonly accepted: number[] = [];
  readonly #texts: readonly Uint8Array[];
  readonly #endTokens: readonly number[];
  #at = 0;
  #left: readonly Uint8Array[];
  readonly #vocabulary: { size: number; tokenBytes: (tokenId: number) => Uint8Array };
  #isHeld: boolean;
  #waiting: (() => void)[] = [];
  numResets = 0;
  isClosed = false;
  failure: string | null = null;

  constructor(texts: readonly string[], options: TextConstraintOptions = {}) {
    this.#texts = texts.map((text) => new TextEncoder().encode(text));
    this.#left = this.#texts;
    this.#endTokens = options.endTokens ?? [EOS];
    this.#isHeld = options.isHeld === true;
    this.#vocabulary = options.vocabulary ?? { size: VOCAB_SIZE, tokenBytes };
  }

  get mask(): Int32Array | null {
    if (this.failure !== null) throw new Error(this.failure);
    if (this.#isHeld) return null;
    const { size } = this.#vocabulary;
    const mask = new Int32Array(Math.ceil(size / 32));
    for (let id = 0; id < size; id++) {
      if (this.#allows(id)) mask[id >>> 5] = (mask[id >>> 5] ?? 0) | (1 << (id & 31));
    }
    return mask;
  }

  ready(): Promise<void> {
    if (!this.#isHeld || this.failure !== null) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(): void {
    this.#isHeld = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  accept(tokenId: number): void {
    if (!this.#allows(tokenId)) this.failure = `Token ${tokenId} is not allowed.`;
    this.accepted.push(tokenId);
    const bytes = this.#vocabulary.tokenBytes(tokenId);
    this.#left = this.#matching(bytes);
    this.#at += bytes.length;
  }

  reset(): void {
    this.numResets++;
    this.#at = 0;
    this.#left = this.#texts;
  }

  close(): void {
    this.isClosed = true;
  }

  #allows(id: number): boolean {
    if (this.#endTokens.includes(id)) return this.#left.some(({ length }) => length === this.#at);
    const bytes = this.#vocabulary.tokenBytes(id);
    return bytes.length > 0 && this.#matching(bytes).length > 0;
  }

  #matching(bytes: Uint8Array): Uint8Array[] {
    return this.#left.filter((text) => bytes.every((byte, i) => text[this.#at + i] === byte));
  }
}
