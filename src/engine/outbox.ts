import type { GenerationEvent } from './generation.ts';

export interface AddressedEvent {
  readonly id: string;
  readonly event: GenerationEvent;
}

/** Collects the events of a step, so that they travel together, and knows when there is something to tell. */
export class Outbox {
  readonly #emit: (events: readonly AddressedEvent[]) => void;
  #events: AddressedEvent[] = [];
  #countsChanged = false;

  constructor(emit: (events: readonly AddressedEvent[]) => void) {
    this.#emit = emit;
  }

  add(id: string, events: readonly GenerationEvent[]): void {
    for (const event of events) this.#events.push({ id, event });
  }

  /** The engine's counts are not what they were when they were last told. */
  countsChanged(): void {
    this.#countsChanged = true;
  }

  flush(): void {
    if (this.#events.length === 0 && !this.#countsChanged) return;
    const events = this.#events;
    this.#events = [];
    this.#countsChanged = false;
    this.#emit(events);
  }
}
