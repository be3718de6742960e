/**
 * A bucket that holds up to `capacity`, is taken from, and fills up again evenly within `windowMs`. It may be taken
 * below empty by what is known only afterwards.
 */
export class TokenBucket {
  readonly capacity: number;
  readonly #perMs: number;
  readonly #now: () => number;
  #level: number;
  #filledAt: number;

  /** @param now milliseconds on a clock that never goes back */
  constructor(
    { capacity, windowMs }: { readonly capacity: number; readonly windowMs: number },
    now: () => number = () => performance.now(),
  ) {
    this.capacity = capacity;
    this.#perMs = capacity / windowMs;
    this.#now = now;
    this.#level = capacity;
    this.#filledAt = now();
  }

  /** What can be taken now; below 0 where more was taken than was there. */
  get level(): number {
    const now = this.#now();
    const filled = this.#level + (now - this.#filledAt) * this.#perMs;
    this.#level = Math.min(this.capacity, filled);
    this.#filledAt = now;
    return this.#level;
  }

  /** Takes whether or not there is enough. */
  take(amount: number): void {
    this.#level = this.level - amount;
  }

  /** Milliseconds until the bucket holds `amount`; 0 where it does. */
  msUntil(amount: number): number {
    return Math.max(0, (amount - this.level) / this.#perMs);
  }
}
