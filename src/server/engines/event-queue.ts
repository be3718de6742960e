/** One producer, one consumer: pushed values come out of the async iterator in order. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #values: T[] = [];
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** Values that nobody has read yet. */
  get length(): number {
    return this.#values.length;
  }

  push(value: T): void {
    this.#values.push(value);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Forgets what was not read yet; the reader gets the error instead. */
  fail(error: Error): void {
    this.#values.length = 0;
    this.#failure = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    while (true) {
      if (this.#failure !== undefined) throw this.#failure;
      const value = this.#values.shift();
      if (value !== undefined) yield value;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
