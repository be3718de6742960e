import type { Entry } from './entry.ts';
import type { FeatureCache } from './feature-cache.ts';
import type { EngineTotals } from './generation.ts';
import { encodeTiles } from './image-encoding.ts';
import type { ModelRunner } from './model-runner.ts';
import type { SlotPool } from './slot-pool.ts';

type PromptTotals = Omit<EngineTotals, 'steps' | 'stepMs' | 'decodedTokens' | 'aborted'>;

export interface PromptProcessorOptions {
  readonly runner: ModelRunner;
  readonly slots: SlotPool;
  readonly features: FeatureCache;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Brings a prompt into its slot's cache: what another sequence has computed is taken over, the rest is encoded and
 * prefilled piece by piece.
 *
 * Prompts are processed one at a time, in order of admission, and what can be taken over is looked up when a prompt's
 * turn comes, not before. So whoever shares a prefix, or a picture, with a prompt that is still being processed waits
 * behind it anyway and finds it done: nothing is computed twice, and nobody waits longer than for the prompts before.
 */
export class PromptProcessor {
  readonly #options: PromptProcessorOptions;
  readonly #totals = {
    prefixQueries: 0,
    prefixHits: 0,
    pictureQueries: 0,
    pictureHits: 0,
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
    const isFirst = sequence.numReused === null;
    if (isFirst) {
      const prefix = slots.findPrefix(sequence.slot);
      if (prefix.fromSlot !== sequence.slot) {
        await runner.copyPrefix({ ...prefix, toSlot: sequence.slot });
        slots.copied(sequence.slot, prefix);
      }
      sequence.numReused = prefix.numTokens;
      sequence.numPrefilled = prefix.numTokens;
      this.#totals.prefixQueries += sequence.numPromptTokens;
      this.#totals.prefixHits += prefix.numTokens;
    }
    for (const image of sequence.imagesToEncode) {
      image.packed = features.get(image.source.hash) ?? null;
    }
    if (!isFirst) return;
    this.#totals.pictureQueries += sequence.images.length;
    this.#totals.pictureHits += sequence.images.length - sequence.imagesToEncode.length;
  }

  /** Encodes the next tiles of the next picture. */
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

  /** @returns the logits after the prompt with its last chunk, undefined with the others */
  async prefill(
    { sequence, clock, abort }: Entry,
    count: number,
  ): Promise<Float32Array | undefined> {
    const { runner, slots, now } = this.#options;
    const start = sequence.numPrefilled;
    const end = start + count;
    const tokenIds = sequence.request.promptTokenIds.subarray(start, end);
    const started = now();
    const logits = await runner.prefill(
      {
        slot: sequence.slot,
        start,
        tokenIds,
        features: sequence.featuresWithin(start, count),
        needsLogits: end === sequence.numPromptTokens,
      },
      abort.signal,
    );
    clock.prefillMs += now() - started;
    slots.append(sequence.slot, tokenIds);
    sequence.numPrefilled = end;
    this.#totals.prefilledTokens += count;
    return logits;
  }
}
