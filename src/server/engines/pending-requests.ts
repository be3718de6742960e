import type { AddressedEvent } from '../../engine/event-batch.ts';
import type { GenerationEvent } from '../../engine/generation.ts';
import { SlowReaderError } from './engine-client.ts';

/** Limit of unread events per reader; an event is about one token. */
const MAX_UNREAD_EVENTS = 2048;

/** The requests that one engine process works on, each with the events that its reader has not read yet. */
export class PendingRequests {
  readonly #queues = new Map<string, EventQueue<GenerationEvent>>();

  get size(): number {
    return this.#queues.size;
  }

  has(id: string): boolean {
    return this.#queues.has(id);
  }

  /**
   * Adds a request.
   * @param onRelease called once, when the reader stops reading
   * @returns the events of the request
   */
  add(id: string, onRelease?: () => void): EventQueue<GenerationEvent> {
    const queue = new EventQueue<GenerationEvent>(onRelease);
    this.#queues.set(id, queue);
    return queue;
  }

  /** @returns whether the request was still pending */
  delete(id: string): boolean {
    return this.#queues.delete(id);
  }

  /**
   * Passes events on to the requests that are still pending.
   * @returns ids of the requests whose readers fell too far behind. They are no longer pending, so their unread events
   *   do not pile up.
   */
  deliver(events: readonly AddressedEvent[]): readonly string[] {
    const dropped: string[] = [];
    for (const { id, event } of events) {
      const queue = this.#queues.get(id);
      if (queue === undefined) continue;
      queue.push(event);
      if (event.type === 'finish') {
        this.#queues.delete(id);
        queue.end();
      } else if (queue.length > MAX_UNREAD_EVENTS) {
        this.#queues.delete(id);
        queue.fail(new SlowReaderError(MAX_UNREAD_EVENTS));
        dropped.push(id);
      }
    }
    return dropped;
  }

  /** Ends all requests with an error and forgets their unread events. */
  fail(error: Error): void {
    for (const queue of this.#queues.values()) queue.fail(error);
    this.#queues.clear();
  }
}

interface Waiting<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A queue with one producer and one consumer. The consumer reads pushed values in order through the async iterator and
 * calls `next` only after the last call has settled, as `for await` does. The iterator is written by hand because it
 * carries every token: an async generator would add promises of its own.
 */
export class EventQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #values: T[] = [];
  readonly #onRelease: () => void;
  #isEnded = false;
  #failure: Error | undefined;
  #waiting: Waiting<T> | undefined;
  #isReleased = false;

  /** @param onRelease called once, when the consumer has read the end or a failure or stops reading */
  constructor(onRelease: () => void = () => {}) {
    this.#onRelease = onRelease;
  }

  /** Number of unread values. */
  get length(): number {
    return this.#values.length;
  }

  push(value: T): void {
    const waiting = this.#waiting;
    if (waiting === undefined) this.#values.push(value);
    else {
      this.#waiting = undefined;
      waiting.resolve({ value, done: false });
    }
  }

  /** Ends the queue; the consumer still reads the values before the end. */
  end(): void {
    this.#isEnded = true;
    this.#waiting?.resolve(this.#done());
    this.#waiting = undefined;
  }

  /** Forgets all unread values; the consumer gets the error in their place. */
  fail(error: Error): void {
    this.#values.length = 0;
    this.#failure = error;
    if (this.#waiting === undefined) return;
    this.#release();
    this.#waiting.reject(error);
    this.#waiting = undefined;
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#failure !== undefined) {
      this.#release();
      throw this.#failure;
    }
    if (this.#values.length > 0) return { value: this.#values.shift() as T, done: false };
    if (this.#isEnded) return this.#done();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#values.length = 0;
    this.end();
    return this.#done();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #done(): IteratorResult<T, undefined> {
    this.#release();
    return { value: undefined, done: true };
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#onRelease();
  }
}
