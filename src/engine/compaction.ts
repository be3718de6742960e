/** A running stream's place in the cache. */
export interface PlacedStream {
  readonly slot: number;
  readonly numTokens: number;
}

/** A slot that nobody runs in, and the tokens it still holds for later prompts. */
export type FreeSlot = PlacedStream;

export interface SlotSwap {
  readonly from: number;
  readonly to: number;
}

/** Tokens whose exchange takes about as long as one idle row adds to one step. */
const TOKENS_PER_IDLE_ROW = 128;

/**
 * Decides when streams that lie apart are brought together. A step's batch is a contiguous range of slots, and an idle
 * slot inside it costs a row: its share of every product, and attention over all it still holds. Measured
 * (test/bench/idle-rows.ts, 8 slots, two streams at the ends): a step takes 1.8 to 2.4 times what two neighbours take,
 * as much as running every row, with 200 to 1,000 tokens held; two runs of one row each, 1.4 to 1.8 times.
 *
 * Exchanging two slots costs once, with the tokens in them, and loses nothing that later prompts could use. So it is
 * done when the rows wasted since the last exchange have cost as much, which is never more than twice what knowing the
 * streams' ends in advance would have cost. Holds a counter; knows no clock.
 *
 * Where a batch always begins at slot 0, the slots before the first stream are idle rows too, so a stream is moved down
 * even when it runs alone.
 */
export class Compaction {
  readonly #fromFirstSlot: boolean;
  #wastedRows = 0;

  constructor({ fromFirstSlot }: { readonly fromFirstSlot: boolean }) {
    this.#fromFirstSlot = fromFirstSlot;
  }

  /** To be asked once a step. @returns the exchange to make before it */
  plan(streams: readonly PlacedStream[], free: readonly FreeSlot[]): SlotSwap | null {
    const sorted = streams.toSorted((a, b) => a.slot - b.slot);
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
