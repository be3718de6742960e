const WINDOW = 32;

/**
 * How often a place becomes free while all slots are taken, from the last few that did: what a refused client is told
 * to wait. Times in which requests were short in supply say nothing about it and are left out.
 */
export class RateEstimate {
  readonly #intervalsMs: number[] = [];
  #lastMs: number | null = null;

  /** @param isFull whether the slots are all taken again, by a request that waited or will */
  finished(nowMs: number, isFull: boolean): void {
    if (this.#lastMs !== null) this.#intervalsMs.push(nowMs - this.#lastMs);
    if (this.#intervalsMs.length > WINDOW) this.#intervalsMs.shift();
    this.#lastMs = isFull ? nowMs : null;
  }

  /** Mean time until the next place is free, 1 to 60 seconds; 5 while nothing is known. */
  secondsUntilFree(): number {
    const { length } = this.#intervalsMs;
    if (length === 0) return 5;
    const mean = this.#intervalsMs.reduce((sum, interval) => sum + interval, 0) / length;
    return Math.min(60, Math.max(1, Math.ceil(mean / 1000)));
  }
}
