/** Pauses before the first, second, ... restart. */
const PAUSES_MS = [250, 1_000, 5_000, 15_000];
const LONGEST_PAUSE_MS = 30_000;
const HEALTHY_AFTER_MS = 60_000;

/** How long to wait before a process that ended is started again: longer each time, unless it ran well for long. */
export class RestartPause {
  #ends = 0;

  /** @param ageMs how long the process ran */
  afterEnd(ageMs: number): number {
    if (ageMs > HEALTHY_AFTER_MS) this.#ends = 0;
    const pauseMs = PAUSES_MS[this.#ends] ?? LONGEST_PAUSE_MS;
    this.#ends += 1;
    return pauseMs;
  }
}
