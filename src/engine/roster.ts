import type { Entry } from './entry.ts';
import type { SlotPool } from './slot-pool.ts';

/** Who waits and who runs, in order of arrival and of admission. */
export class Roster {
  readonly #slots: SlotPool;
  readonly #waiting: Entry[] = [];
  readonly #running: Entry[] = [];

  constructor(slots: SlotPool) {
    this.#slots = slots;
  }

  get waiting(): readonly Entry[] {
    return this.#waiting;
  }

  get running(): readonly Entry[] {
    return this.#running;
  }

  get all(): readonly Entry[] {
    return [...this.#waiting, ...this.#running];
  }

  get isEmpty(): boolean {
    return this.#waiting.length + this.#running.length === 0;
  }

  find(id: string): Entry | undefined {
    const isIt = ({ sequence }: Entry): boolean => sequence.id === id;
    return this.#waiting.find(isIt) ?? this.#running.find(isIt);
  }

  add(entry: Entry): void {
    this.#waiting.push(entry);
  }

  /** Gives a waiting sequence a slot, with what the slot already holds of its prompt. */
  admit(id: string): void {
    const entry = this.find(id);
    if (entry?.sequence.status !== 'waiting') return;
    const { sequence, clock } = entry;
    remove(this.#waiting, entry);
    sequence.slot = this.#slots.claim(sequence.prefix);
    sequence.numCached = this.#slots.lengthOf(sequence.slot);
    sequence.isLookedUp = false;
    sequence.status = 'running';
    clock.admit();
    this.#running.push(entry);
  }

  /** Takes a sequence's slot away; what was computed stays in it until somebody else needs it. */
  park(id: string): void {
    const entry = this.find(id);
    if (entry?.sequence.status !== 'running') return;
    const { sequence } = entry;
    remove(this.#running, entry);
    this.#slots.release(sequence.slot, { keep: true });
    sequence.status = 'waiting';
    sequence.numCached = 0;
    sequence.wasParked = true;
    this.#waiting.push(entry);
  }

  /** @param keep whether what the sequence has in its slot may serve others */
  end(entry: Entry, { keep }: { readonly keep: boolean }): void {
    const { sequence } = entry;
    if (sequence.status === 'running') this.#slots.release(sequence.slot, { keep });
    sequence.status = 'finished';
    remove(this.#waiting, entry);
    remove(this.#running, entry);
  }
}

function remove(list: Entry[], entry: Entry): void {
  const index = list.indexOf(entry);
  if (index >= 0) list.splice(index, 1);
}
