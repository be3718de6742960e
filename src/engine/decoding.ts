import { Compaction } from './compaction.ts';
import { type Entry, hasMask } from './entry.ts';
import type { EngineTotals, FinishEvent, FinishReason, GenerationEvent } from './generation.ts';
import type { ModelRunner } from './model-runner.ts';
import type { SlotPool } from './slot-pool.ts';
import { Speculation } from './speculation.ts';
import { waitForConstraints } from './token-constraint.ts';

export interface DecodingOptions {
  readonly runner: ModelRunner;
  readonly slots: SlotPool;
  readonly eos: ReadonlySet<number>;
  /** Whether a stream that runs alone may look ahead. */
  readonly speculates: boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly say: (entry: Entry, events: readonly GenerationEvent[]) => void;
  readonly finish: (entry: Entry, reason: FinishReason, end: Partial<FinishEvent>) => void;
  readonly fail: (entry: Entry, error: unknown) => void;
}

/** Turns logits into tokens: one step for all streams, and each stream's own choice. */
export class Decoding {
  readonly #options: DecodingOptions;
  readonly #compaction: Compaction;
  readonly #speculation: Speculation | null;

  constructor(options: DecodingOptions) {
    this.#options = options;
    const { batchesFromFirstSlot = false } = options.runner.limits;
    this.#compaction = new Compaction({ fromFirstSlot: batchesFromFirstSlot });
    this.#speculation = options.speculates ? new Speculation() : null;
  }

  get totals(): Pick<EngineTotals, 'draftedTokens' | 'acceptedTokens'> {
    return this.#speculation?.totals ?? { draftedTokens: 0, acceptedTokens: 0 };
  }

  /** One token for each. */
  async step(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const { runner, fail, now } = this.#options;
    const [alone] = entries.length === 1 ? entries : [];
    try {
      if (alone !== undefined && (await this.#lookAhead(alone))) return;
      await this.#bringTogether(entries);
      const rows = entries.map(({ sequence }) => ({
        slot: sequence.slot,
        position: sequence.numCached,
        tokenId: sequence.lastTokenId,
      }));
      const started = now();
      const logits = await runner.decode(rows);
      if (alone !== undefined) this.#speculation?.plainStep(now() - started);
      for (const [row, entry] of entries.entries()) {
        this.#advance(entry, logits[row]);
      }
    } catch (error) {
      for (const entry of entries) fail(entry, error);
    }
  }

  /**
   * A step of several tokens where some can be guessed: each is chosen from its own logits, as in steps of one, up to
   * the first that was not foreseen. A constraint follows what was chosen, never what was guessed, so that nothing of it
   * is to be taken back; a guess for which its mask comes too late is left to the next step.
   * @returns false where a plain step is to be made
   */
  async #lookAhead(entry: Entry): Promise<boolean> {
    const { runner, now } = this.#options;
    const { sequence } = entry;
    const draft = this.#speculation?.draft(sequence, runner.limits.slotCapacity) ?? null;
    if (draft === null) return false;
    const { tokenIds } = draft;
    const { slot, numCached: position, lastTokenId } = sequence;
    const started = now();
    const logits = await runner.verify({ slot, position, tokenIds: [lastTokenId, ...tokenIds] });
    const elapsedMs = now() - started;
    let numAccepted = 0;
    this.#advance(entry, logits[0]);
    while (sequence.lastTokenId === tokenIds[numAccepted] && (await this.#goesOn(entry))) {
      numAccepted++;
      this.#advance(entry, logits[numAccepted]);
    }
    this.#speculation?.verified(sequence, draft, { elapsedMs, numAccepted });
    return true;
  }

  /** Whether another token can be chosen within this step. */
  async #goesOn(entry: Entry): Promise<boolean> {
    const { sequence, abort } = entry;
    if (sequence.status !== 'running') return false;
    if (!hasMask(entry)) await waitForConstraints([sequence.guard?.constraint ?? null]);
    return hasMask(entry) && !abort.signal.aborted;
  }

  /** The sequence's last token is in the cache now, and its logits tell the next. */
  #advance(entry: Entry, logits: Float32Array | undefined): void {
    const { sequence } = entry;
    this.#options.slots.append(sequence.slot, [sequence.lastTokenId]);
    sequence.numCached++;
    this.append(entry, logits);
  }

  async #bringTogether(entries: readonly Entry[]): Promise<void> {
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
