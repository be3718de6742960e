/** Longest repeated part, in tokens. */
const MAX_PERIOD = 256;
/** Least number of repetitions, and their least length in tokens together. */
const MIN_TIMES = 4;
const MIN_TOKENS = 64;

/**
 * Finds exact repetition: the last tokens are one part of 1 to 256 tokens, at least four times in a row and at least 64
 * tokens in total. So a single token must repeat 64 times, a sentence of 30 tokens four times. A looping model repeats
 * every token; thinking that only returns to a subject does not.
 */
export class LoopDetector {
  readonly #tokens: number[] = [];
  /** Index p: how many of the last tokens equal the token p positions before them. */
  readonly #runs = new Int32Array(MAX_PERIOD + 1);

  /** The last tokens are a repetition. */
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
