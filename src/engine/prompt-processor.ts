import type { LRUCache } from 'lru-cache';
import type { Entry } from './entry.ts';
import type { EngineTotals } from './generation.ts';
import { encodeTiles } from './image-encoding.ts';
import type { ModelRunner } from './model-runner.ts';
import type { PrefillPace } from './prefill-pace.ts';
import type { SlotPool } from './slot-pool.ts';

type PromptTotals = Pick<
  EngineTotals,
  | 'prefixQueries'
  | 'prefixHits'
  | 'imageQueries'
  | 'imageHits'
  | 'prefilledTokens'
  | 'encodedTiles'
  | 'visionMs'
>;

export interface PromptProcessorOptions {
  readonly runner: ModelRunner;
  readonly slots: SlotPool;
  /** Packed features by the image's content hash, float32 [numTokens, hiddenSize]: whatever conversation it comes in. */
  readonly features: LRUCache<string, Float32Array>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly pace: PrefillPace;
}

/**
 * Brings a prompt into its slot's cache: what another sequence has computed is taken over, the rest is encoded and
 * prefilled piece by piece.
 *
 * Prompts are processed in order of admission, and what can be taken over is looked up when a prompt's turn comes, not
 * before. So whoever shares a prefix, or an image, with a prompt that is still being processed waits behind it anyway
 * and finds it done, and nobody waits longer than for the prompts before. Only what is short passes what is long.
 */
export class PromptProcessor {
  readonly #options: PromptProcessorOptions;
  readonly #totals = {
    prefixQueries: 0,
    prefixHits: 0,
    imageQueries: 0,
    imageHits: 0,
    prefilledTokens: 0,
    encodedTiles: 0,
    visionMs: 0,
  };

  constructor(options: PromptProcessorOptions) {
    this.#options = options;
  }

  /** What was looked up, found and computed so far. */
  get totals(): PromptTotals {
    return this.#totals;
  }

  /** Takes over what is there for a prompt whose turn it is. To be called before each of its pieces. */
  async prepare({ sequence }: Entry): Promise<void> {
    const { runner, slots, features } = this.#options;
    const isFirst = !sequence.isLookedUp;
    if (isFirst) {
      const prefix = slots.findPrefix(sequence.slot);
      if (prefix.fromSlot !== sequence.slot) {
        await runner.copyPrefix({ ...prefix, toSlot: sequence.slot });
        slots.copied(sequence.slot, prefix);
      }
      if (!sequence.wasParked) sequence.numReused = prefix.numTokens;
      sequence.isLookedUp = true;
      sequence.numCached = prefix.numTokens;
      this.#totals.prefixQueries += sequence.numToPrefill;
      this.#totals.prefixHits += prefix.numTokens;
    }
    for (const image of sequence.imagesToEncode) {
      image.packed = features.get(image.source.hash) ?? null;
    }
    if (!isFirst) return;
    this.#totals.imageQueries += sequence.images.length;
    this.#totals.imageHits += sequence.images.length - sequence.imagesToEncode.length;
  }

  /** Encodes the next tiles of the next image. */
  async encode({ sequence, clock, abort }: Entry, count: number): Promise<void> {
    const [image] = sequence.imagesToEncode;
    if (image === undefined) return;
    const { runner, features, now } = this.#options;
    const started = now();
    await encodeTiles(runner, image, count, abort.signal);
    const elapsedMs = now() - started;
    clock.visionMs += elapsedMs;
    this.#totals.visionMs += elapsedMs;
    this.#totals.encodedTiles += count;
    if (image.packed !== null) features.set(image.source.hash, image.packed);
  }

  /**
   * @param count tokens of the piece; at the end of the prompt, and of what was generated, what is left of it
   * @returns the logits after the prompt with its last chunk; undefined with the others, and where the sequence goes on
   *   after it was parked
   */
  async prefill(
    { sequence, clock, abort }: Entry,
    count: number,
  ): Promise<Float32Array | undefined> {
    const { runner, slots, now, pace } = this.#options;
    const start = sequence.numCached;
    const wasGenerated = start >= sequence.numPromptTokens;
    const limit = wasGenerated ? sequence.numToPrefill : sequence.numPromptTokens;
    const end = Math.min(start + count, limit);
    const tokenIds = sequence.tokensAt(start, end);
    const started = now();
    const logits = await runner.prefill(
      {
        slot: sequence.slot,
        start,
        tokenIds,
        features: sequence.featuresWithin(start, end - start),
        needsLogits: end === sequence.numPromptTokens && sequence.numGenerated === 0,
        wasGenerated,
      },
      abort.signal,
    );
    const elapsedMs = now() - started;
    clock.prefillMs += elapsedMs;
    pace.observe(tokenIds.length, elapsedMs);
    slots.append(sequence.slot, tokenIds);
    sequence.numCached = end;
    this.#totals.prefilledTokens += tokenIds.length;
    return logits;
  }
}
