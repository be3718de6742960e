import { Compaction } from './compaction.ts';
import type { EventBatch } from './event-batch.ts';
import type { EngineTotals, FinishEvent, FinishReason } from './generation.ts';
import type { ModelRunner } from './model-runner.ts';
import type { Sequence } from './sequence.ts';
import type { SlotPool } from './slot-pool.ts';
import { SpeculativeDecoding } from './speculative-decoding.ts';
import { waitForConstraints } from './token-constraint.ts';

export interface DecodingOptions {
  readonly runner: ModelRunner;
  readonly slots: SlotPool;
  /** Whether a sequence that runs alone may use speculative decoding. */
  readonly speculates: boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly batch: EventBatch;
  readonly finish: (sequence: Sequence, reason: FinishReason, end: Partial<FinishEvent>) => void;
  readonly fail: (sequence: Sequence, error: unknown) => void;
}

/** Turns logits into tokens: one model step for all sequences, then each sequence chooses its own token. */
export class Decoding {
  readonly #options: DecodingOptions;
  readonly #compaction: Compaction;
  readonly #speculation: SpeculativeDecoding | null;
  readonly totals: Readonly<Pick<EngineTotals, 'draftedTokens' | 'acceptedTokens'>>;

  constructor(options: DecodingOptions) {
    this.#options = options;
    const { batchesFromFirstSlot = false } = options.runner.limits;
    this.#compaction = new Compaction({ fromFirstSlot: batchesFromFirstSlot });
    this.#speculation = options.speculates ? new SpeculativeDecoding() : null;
    this.totals = this.#speculation?.totals ?? { draftedTokens: 0, acceptedTokens: 0 };
  }

  /** Generates one token for each sequence, or several for one that runs alone. */
  async step(sequences: readonly Sequence[]): Promise<void> {
    if (sequences.length === 0) return;
    const { runner, fail, now } = this.#options;
    const [alone] = sequences.length === 1 ? sequences : [];
    try {
      if (alone !== undefined && (await this.#verifyDraft(alone))) return;
      await this.#compact(sequences);
      const rows = sequences.map(({ slot, numCached, lastTokenId }) => ({
        slot,
        position: numCached,
        tokenId: lastTokenId,
      }));
      const started = now();
      const logits = await runner.decode(rows);
      if (alone !== undefined) this.#speculation?.plainStep(now() - started);
      for (const [row, sequence] of sequences.entries()) this.#advance(sequence, logits[row]);
    } catch (error) {
      for (const sequence of sequences) fail(sequence, error);
    }
  }

  /**
   * Verifies draft tokens in one step, if there are any. Each token is chosen from its own logits, as in plain steps, up
   * to the first one that differs from the draft. A constraint follows chosen tokens only, so it never rolls back. Where
   * its mask comes too late, the rest of the draft is dropped.
   * @returns false where a plain step is needed
   */
  async #verifyDraft(sequence: Sequence): Promise<boolean> {
    const { runner, now } = this.#options;
    const draft = this.#speculation?.draft(sequence, runner.limits.slotCapacity) ?? null;
    if (draft === null) return false;
    const { tokenIds } = draft;
    const { slot, numCached: position, lastTokenId } = sequence;
    const started = now();
    const logits = await runner.verify({ slot, position, tokenIds: [lastTokenId, ...tokenIds] });
    const elapsedMs = now() - started;
    let numAccepted = 0;
    this.#advance(sequence, logits[0]);
    while (sequence.lastTokenId === tokenIds[numAccepted] && (await this.#canContinue(sequence))) {
      numAccepted++;
      this.#advance(sequence, logits[numAccepted]);
    }
    this.#speculation?.verified(sequence, draft, { elapsedMs, numAccepted });
    return true;
  }

  /** Whether the sequence can choose another token in this step. */
  async #canContinue(sequence: Sequence): Promise<boolean> {
    if (sequence.status !== 'running') return false;
    if (!sequence.hasMask) await waitForConstraints([sequence.constraint]);
    return sequence.hasMask && !sequence.signal.aborted;
  }

  /** The sequence's last token is in the cache now; its logits give the next one. */
  #advance(sequence: Sequence, logits: Float32Array | undefined): void {
    this.#options.slots.append(sequence.slot, [sequence.lastTokenId]);
    sequence.numCached++;
    this.append(sequence, logits);
  }

  async #compact(sequences: readonly Sequence[]): Promise<void> {
    const { runner, slots } = this.#options;
    const placed = sequences.map(({ slot, numCached }) => ({ slot, numTokens: numCached }));
    const swap = this.#compaction.plan(placed, slots.free);
    if (swap === null) return;
    await runner.swapSlots(swap.from, swap.to);
    slots.swapped(swap.from, swap.to);
    for (const sequence of sequences) if (sequence.slot === swap.from) sequence.slot = swap.to;
  }

  /** Chooses a sequence's next token from a step's logits. A fault here ends this sequence only. */
  append(sequence: Sequence, logits: Float32Array | undefined): void {
    // An aborted sequence ends with the next step.
    if (sequence.signal.aborted) return;
    const { batch, finish, fail } = this.#options;
    try {
      if (logits === undefined) throw new Error('The step returned no logits for this sequence.');
      const { token, events } = sequence.append(logits);
      batch.add(sequence.id, events);
      if (token.stop !== null) finish(sequence, 'stop', { stopString: token.stop });
      else if (token.isEnd) finish(sequence, 'stop', {});
      else if (sequence.generated.length >= sequence.request.maxTokens)
        finish(sequence, 'length', {});
    } catch (error) {
      fail(sequence, error);
    }
  }
}
