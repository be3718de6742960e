import type { GenerationEvent } from './generation.ts';

/** An event with the id of its request. */
export interface AddressedEvent {
  readonly id: string;
  readonly event: GenerationEvent;
}

/** Collects events so that all events of a step travel in one message. */
export class EventBatch {
  readonly #emit: (events: readonly AddressedEvent[]) => void;
  #events: AddressedEvent[] = [];
  /** The engine's counts have changed: the next flush sends a message even without events. */
  countsChanged = false;

  constructor(emit: (events: readonly AddressedEvent[]) => void) {
    this.#emit = emit;
  }

  add(id: string, events: readonly GenerationEvent[]): void {
    for (const event of events) this.#events.push({ id, event });
  }

  flush(): void {
    if (this.#events.length === 0 && !this.countsChanged) return;
    const events = this.#events;
    this.#events = [];
    this.countsChanged = false;
    this.#emit(events);
  }
}
