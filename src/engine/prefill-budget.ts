/** A smaller piece costs about as much as this many tokens. */
const SMALLEST_PIECE = 16;
/** Weight of the newest observation. */
const NEWEST = 0.3;

export interface PrefillBudgetOptions {
  /** Most prompt tokens of one step. */
  readonly prefillChunk: number;
  /** Longest time that prefill may delay decoding sequences in one step, in milliseconds. */
  readonly stallMs: number;
}

/**
 * The prefill budget of a step: `prefillChunk` tokens while no sequence decodes, else as many as fit into `stallMs` at
 * the prefill speed measured so far.
 */
export class PrefillBudget {
  readonly #options: PrefillBudgetOptions;
  #msPerToken: number | null = null;

  constructor(options: PrefillBudgetOptions) {
    this.#options = options;
  }

  observe(numTokens: number, elapsedMs: number): void {
    if (numTokens < SMALLEST_PIECE) return;
    const seen = elapsedMs / numTokens;
    this.#msPerToken =
      this.#msPerToken === null ? seen : (1 - NEWEST) * this.#msPerToken + NEWEST * seen;
  }

  /** Most prompt tokens of the next step. */
  tokens(isDecoding: boolean): number {
    const { prefillChunk, stallMs } = this.#options;
    if (!isDecoding || this.#msPerToken === null || this.#msPerToken <= 0) return prefillChunk;
    const fitting = Math.floor(stallMs / this.#msPerToken / SMALLEST_PIECE) * SMALLEST_PIECE;
    return Math.min(prefillChunk, Math.max(SMALLEST_PIECE, fitting));
  }
}
