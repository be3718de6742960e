/**
 * Values by key, as many as fit a number of bytes, least recently used out first. Pure bookkeeping: the same calls in the
 * same order keep the same values, whatever else happens.
 */
export class ByteBoundedCache<Value> {
  readonly #maxBytes: number;
  readonly #bytesOf: (value: Value) => number;
  /** In order of use, the longest unused first. */
  readonly #values = new Map<string, Value>();
  #numBytes = 0;

  /**
   * @param maxBytes most bytes of values kept; 0 keeps none
   * @param bytesOf what a value counts for; the same whenever it is asked
   */
  constructor(maxBytes: number, bytesOf: (value: Value) => number) {
    this.#maxBytes = maxBytes;
    this.#bytesOf = bytesOf;
  }

  get numBytes(): number {
    return this.#numBytes;
  }

  /** @returns what was kept, shared: not to be written to */
  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  /** Keeps a value; one larger than the whole cache is not kept and pushes nothing out. */
  set(key: string, value: Value): void {
    this.#delete(key);
    const numBytes = this.#bytesOf(value);
    if (numBytes > this.#maxBytes) return;
    this.#values.set(key, value);
    this.#numBytes += numBytes;
    for (const oldest of this.#values.keys()) {
      if (this.#numBytes <= this.#maxBytes) break;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#numBytes -= this.#bytesOf(value);
    this.#values.delete(key);
  }
}
