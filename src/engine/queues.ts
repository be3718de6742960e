import type { Sequence } from './sequence.ts';
import type { SlotPool } from './slot-pool.ts';

/**
 * The waiting queue, in order of arrival, and the running queue, in order of admission. A sequence that moves between
 * them gets or loses its slot.
 */
export class Queues {
  readonly #slots: SlotPool;
  /** Monotonic milliseconds. */
  readonly #now: () => number;
  readonly #waiting: Sequence[] = [];
  readonly #running: Sequence[] = [];
  readonly waiting: readonly Sequence[] = this.#waiting;
  readonly running: readonly Sequence[] = this.#running;

  constructor(slots: SlotPool, now: () => number) {
    this.#slots = slots;
    this.#now = now;
  }

  get all(): readonly Sequence[] {
    return [...this.#waiting, ...this.#running];
  }

  find(id: string): Sequence | undefined {
    return this.all.find((sequence) => sequence.id === id);
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
    sequence.times.admittedMs ??= this.#now();
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
