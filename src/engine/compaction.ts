/** The slot of a sequence, with its tokens. */
export interface PlacedSequence {
  readonly slot: number;
  readonly numTokens: number;
}

/** A free slot, with the tokens it still holds for later prompts. */
export type FreeSlot = PlacedSequence;

export interface SlotSwap {
  readonly from: number;
  readonly to: number;
}

/** Number of tokens whose exchange takes about as long as one idle row adds to a step. */
const TOKENS_PER_IDLE_ROW = 128;

/**
 * Decides when to move sequences into adjacent slots. The batch of a step is a contiguous range of slots, and an idle slot
 * inside it costs a row: its share of every matrix product, and attention over all its tokens. Measured
 * (test/bench/idle-rows.ts, 8 slots, two sequences at the ends): a step takes 1.8 to 2.4 times as long as with two
 * adjacent slots, as long as with all rows busy, at 200 to 1,000 tokens held. Two steps of one row each take 1.4 to 1.8
 * times as long.
 *
 * Exchanging two slots costs once, in proportion to their tokens, and loses no cached prefix. So an exchange happens when
 * the rows wasted since the last one have cost as much. That is at most twice the cost of a schedule that knows in advance
 * when sequences end. Holds a counter; knows no clock.
 *
 * Where a batch always begins at slot 0, the slots before the first sequence are idle rows too, so a sequence moves down
 * even when it runs alone.
 */
export class Compaction {
  readonly #fromFirstSlot: boolean;
  #wastedRows = 0;

  constructor({ fromFirstSlot }: { readonly fromFirstSlot: boolean }) {
    this.#fromFirstSlot = fromFirstSlot;
  }

  /** Call it once per step. @returns the exchange to make before the step */
  plan(sequences: readonly PlacedSequence[], free: readonly FreeSlot[]): SlotSwap | null {
    const sorted = sequences.toSorted((a, b) => a.slot - b.slot);
    const [first, last] = [sorted[0], sorted.at(-1)];
    if (first === undefined || last === undefined) return null;
    const start = this.#fromFirstSlot ? 0 : first.slot;
    const numIdle = last.slot - start + 1 - sorted.length;
    if (numIdle === 0) this.#wastedRows = 0;
    this.#wastedRows += numIdle;
    const holes = free.filter(({ slot }) => slot >= start && slot < last.slot);
    const hole = holes.toSorted((a, b) => a.numTokens - b.numTokens)[0];
    if (hole === undefined) return null;
    const movesFirst = !this.#fromFirstSlot && first.numTokens <= last.numTokens;
    const mover = movesFirst ? first : last;
    const cost = Math.max(mover.numTokens, hole.numTokens) / TOKENS_PER_IDLE_ROW;
    if (this.#wastedRows < cost) return null;
    this.#wastedRows = 0;
    return { from: mover.slot, to: hole.slot };
  }
}
