const WINDOW = 32;

/** How often requests finish, from the last few: what a refused client is told to wait. */
export class RateEstimate {
  readonly #finishedMs: number[] = [];

  finished(nowMs: number): void {
    this.#finishedMs.push(nowMs);
    if (this.#finishedMs.length > WINDOW) this.#finishedMs.shift();
  }

  /** Mean time between two finished requests, 1 to 60 seconds; 5 while nothing is known. */
  secondsUntilFree(): number {
    const [first] = this.#finishedMs;
    const last = this.#finishedMs.at(-1);
    const intervals = this.#finishedMs.length - 1;
    if (first === undefined || last === undefined || intervals < 1) return 5;
    return Math.min(60, Math.max(1, Math.ceil((last - first) / intervals / 1000)));
  }
}
