/** Pieces smaller than this cost about as much as this many tokens. */
const SMALLEST_PIECE = 16;
/** Weight of the newest observation. */
const NEWEST = 0.3;

export interface PrefillPaceOptions {
  /** Most prompt tokens in one step. */
  readonly prefillChunk: number;
  /** Longest that prompts should hold up running streams in one step. */
  readonly stallMs: number;
}

/**
 * How many prompt tokens a step may take, from how fast they went before: all of them while no stream runs, and as many
 * as fit `stallMs` while one does.
 */
export class PrefillPace {
  readonly #options: PrefillPaceOptions;
  #msPerToken: number | null = null;

  constructor(options: PrefillPaceOptions) {
    this.#options = options;
  }

  observe(numTokens: number, elapsedMs: number): void {
    if (numTokens < SMALLEST_PIECE) return;
    const seen = elapsedMs / numTokens;
    this.#msPerToken =
      this.#msPerToken === null ? seen : (1 - NEWEST) * this.#msPerToken + NEWEST * seen;
  }

  budget(hasStreams: boolean): number {
    const { prefillChunk, stallMs } = this.#options;
    if (!hasStreams || this.#msPerToken === null || this.#msPerToken <= 0) return prefillChunk;
    const fitting = Math.floor(stallMs / this.#msPerToken / SMALLEST_PIECE) * SMALLEST_PIECE;
    return Math.min(prefillChunk, Math.max(SMALLEST_PIECE, fitting));
  }
}
