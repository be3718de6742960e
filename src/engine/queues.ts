import type { Sequence } from './sequence.ts';
import type { SlotPool } from './slot-pool.ts';

/**
 * The waiting queue, in order of arrival, and the running queue, in order of admission. A sequence that moves between
 * them gets or loses its slot.
 */
export class Queues {
  readonly #slots: SlotPool;
  readonly #waiting: Sequence[] = [];
  readonly #running: Sequence[] = [];

  constructor(slots: SlotPool) {
    this.#slots = slots;
  }

  get waiting(): readonly Sequence[] {
    return this.#waiting;
  }

  get running(): readonly Sequence[] {
    return this.#running;
  }

  get all(): readonly Sequence[] {
    return [...this.#waiting, ...this.#running];
  }

  get isEmpty(): boolean {
    return this.#waiting.length + this.#running.length === 0;
  }

  find(id: string): Sequence | undefined {
    const isIt = (sequence: Sequence): boolean => sequence.id === id;
    return this.#waiting.find(isIt) ?? this.#running.find(isIt);
  }

  add(sequence: Sequence): void {
    this.#waiting.push(sequence);
  }

  /** Gives a waiting sequence a slot, together with the cached prefix that the slot already holds. */
  admit(id: string): void {
    const sequence = this.find(id);
    if (sequence?.status !== 'waiting') return;
    remove(this.#waiting, sequence);
    sequence.slot = this.#slots.claim(sequence.prefix);
    sequence.numCached = this.#slots.lengthOf(sequence.slot);
    sequence.isLookedUp = false;
    sequence.status = 'running';
    sequence.clock.admit();
    this.#running.push(sequence);
  }

  /** Takes a running sequence's slot away. Its cache stays there until another sequence needs the slot. */
  preempt(id: string): void {
    const sequence = this.find(id);
    if (sequence?.status !== 'running') return;
    remove(this.#running, sequence);
    this.#slots.release(sequence.slot, { keep: true });
    sequence.status = 'waiting';
    sequence.numCached = 0;
    sequence.wasPreempted = true;
    this.#waiting.push(sequence);
  }

  /** Removes a sequence. @param keep whether other sequences may reuse its cache */
  end(sequence: Sequence, { keep }: { readonly keep: boolean }): void {
    if (sequence.status === 'running') this.#slots.release(sequence.slot, { keep });
    sequence.status = 'finished';
    remove(this.#waiting, sequence);
    remove(this.#running, sequence);
  }
}

function remove(queue: Sequence[], sequence: Sequence): void {
  const index = queue.indexOf(sequence);
  if (index >= 0) queue.splice(index, 1);
}
