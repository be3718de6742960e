import type { GenerationEvent } from '../../engine/generation.ts';
import type { AddressedEvent } from '../../engine/outbox.ts';
import { SlowReaderError } from './engine-client.ts';
import { EventQueue } from './event-queue.ts';

/** Events kept for one reader; each is a token or so. */
const MAX_UNREAD_EVENTS = 2048;

/** The requests that one process works on, each with the events its reader has not read yet. */
export class PendingRequests {
  readonly #queues = new Map<string, EventQueue<GenerationEvent>>();

  get size(): number {
    return this.#queues.size;
  }

  has(id: string): boolean {
    return this.#queues.has(id);
  }

  /** @returns what will come for it */
  add(id: string): AsyncIterable<GenerationEvent> {
    const queue = new EventQueue<GenerationEvent>();
    this.#queues.set(id, queue);
    return queue;
  }

  /** @returns whether it was still pending */
  delete(id: string): boolean {
    return this.#queues.delete(id);
  }

  /**
   * Passes on what came for those that are still pending.
   * @returns the requests whose readers have fallen behind; they are pending no more, so that what they do not read does
   *   not pile up
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

  /** Ends them all with an error; what was not read of them is forgotten. */
  fail(error: Error): void {
    for (const queue of this.#queues.values()) queue.fail(error);
    this.#queues.clear();
  }
}
