/** Number of intervals that the estimate averages. */
const WINDOW = 32;
const UNKNOWN_SECONDS = 5;
const MAX_SECONDS = 60;

/**
 * Estimates how often a slot becomes free while all slots are taken. Intervals in which a slot stayed empty say nothing
 * about that and are left out.
 */
export class RateEstimate {
  readonly #intervalsMs: number[] = [];
  #lastMs: number | null = null;

  /** @param isFull whether a waiting request takes the slot, so that all slots are taken again */
  finished(nowMs: number, isFull: boolean): void {
    if (this.#lastMs !== null) this.#intervalsMs.push(nowMs - this.#lastMs);
    if (this.#intervalsMs.length > WINDOW) this.#intervalsMs.shift();
    this.#lastMs = isFull ? nowMs : null;
  }

  /** Mean time until the next slot is free: 1 to 60 seconds, and 5 while nothing is known. */
  secondsUntilFree(): number {
    const { length } = this.#intervalsMs;
    if (length === 0) return UNKNOWN_SECONDS;
    const mean = this.#intervalsMs.reduce((sum, interval) => sum + interval, 0) / length;
    return Math.min(MAX_SECONDS, Math.max(1, Math.ceil(mean / 1000)));
  }
}
