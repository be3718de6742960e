/** Longest repeated part, in tokens. */
const MAX_PERIOD = 256;
/** A part must come at least this often, and all its repetitions together be at least this long. */
const MIN_TIMES = 4;
const MIN_TOKENS = 64;

/**
 * Finds exact repetition: the last tokens are one part of 1 to 256 tokens, at least four times in a row and at least 64
 * tokens together (so a single token must come 64 times, a sentence of 30 tokens four times). Exact, because a
 * looping model repeats itself to the token, while thinking that only returns to a subject does not.
 */
export class LoopDetector {
  readonly #tokens: number[] = [];
  /** Entry p: how many of the last tokens equal the one p before them. */
  readonly #runs = new Int32Array(MAX_PERIOD + 1);

  /** The tokens pushed last are a repetition. */
  get found(): boolean {
    for (let period = 1; period <= MAX_PERIOD; period++) {
      const length = (this.#runs[period] ?? 0) + period;
      if (length >= MIN_TIMES * period && length >= MIN_TOKENS) return true;
    }
    return false;
  }

  push(tokenId: number): void {
    const { length } = this.#tokens;
    for (let period = 1; period <= MAX_PERIOD; period++) {
      const repeats = this.#tokens[length - period] === tokenId;
      this.#runs[period] = repeats ? (this.#runs[period] ?? 0) + 1 : 0;
    }
    this.#tokens.push(tokenId);
  }
}
