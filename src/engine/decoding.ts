import { Compaction } from './compaction.ts';
import type { Entry } from './entry.ts';
import type { FinishEvent, FinishReason, GenerationEvent } from './generation.ts';
import type { ModelRunner } from './model-runner.ts';
import type { SlotPool } from './slot-pool.ts';

export interface DecodingOptions {
  readonly runner: ModelRunner;
  readonly slots: SlotPool;
  readonly eos: ReadonlySet<number>;
  readonly say: (entry: Entry, events: readonly GenerationEvent[]) => void;
  readonly finish: (entry: Entry, reason: FinishReason, end: Partial<FinishEvent>) => void;
  readonly fail: (entry: Entry, error: unknown) => void;
}

/** Turns logits into tokens: one step for all streams, and each stream's own choice. */
export class Decoding {
  readonly #options: DecodingOptions;
  readonly #compaction = new Compaction();

  constructor(options: DecodingOptions) {
    this.#options = options;
  }

  /** One token for each. */
  async step(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const { runner, slots, fail } = this.#options;
    try {
      await this.#bringTogether(entries);
      const rows = entries.map(({ sequence }) => ({
        slot: sequence.slot,
        position: sequence.numCached,
        tokenId: sequence.lastTokenId,
      }));
      const logits = await runner.decode(rows);
      for (const [row, entry] of entries.entries()) {
        slots.append(entry.sequence.slot, [entry.sequence.lastTokenId]);
        entry.sequence.numCached++;
        this.append(entry, logits[row]);
      }
    } catch (error) {
      for (const entry of entries) fail(entry, error);
    }
  }

  async #bringTogether(entries: readonly Entry[]): Promise<void> {
    if (entries.length < 2) return;
    const { runner, slots } = this.#options;
    const streams = entries.map(({ sequence }) => ({
      slot: sequence.slot,
      numTokens: sequence.numCached,
    }));
    const swap = this.#compaction.plan(streams, slots.free);
    if (swap === null) return;
    await runner.swapSlots(swap.from, swap.to);
    slots.swapped(swap.from, swap.to);
    for (const { sequence } of entries) if (sequence.slot === swap.from) sequence.slot = swap.to;
  }

  /** Chooses a sequence's next token from a step's logits. A fault here is this sequence's alone. */
  append(entry: Entry, logits: Float32Array | undefined): void {
    // Its token came too late: the sequence ends with the next step.
    if (entry.abort.signal.aborted) return;
    try {
      if (logits === undefined) throw new Error('The step returned no logits for this sequence.');
      this.#choose(entry, logits);
    } catch (error) {
      this.#options.fail(entry, error);
    }
  }

  #choose(entry: Entry, logits: Float32Array): void {
    const { eos, say, finish } = this.#options;
    const { sequence, events } = entry;
    const endsTurn = (id: number): boolean => eos.has(id);
    const { tokenId, forced, report } = sequence.choose(logits, endsTurn);
    sequence.append(tokenId);
    const stops = sequence.thinking.stopsAt(tokenId);
    // What the engine writes is no part of the answer, though it may open the answer's tags.
    const follow = forced ? undefined : sequence.guard?.follow(tokenId);
    const accepted = sequence.thinking.accept(tokenId);
    if (!stops && !endsTurn(tokenId)) follow?.();
    say(entry, events.token({ tokenId, forced, ...report }, accepted));
    if (accepted.stop !== null) finish(entry, 'stop', { stopString: accepted.stop });
    else if (stops || endsTurn(tokenId)) finish(entry, 'stop', {});
    else if (sequence.numGenerated >= sequence.request.maxTokens) finish(entry, 'length', {});
  }
}
