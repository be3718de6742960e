import type { LRUCache } from 'lru-cache';
import type { ModelRunner } from './model-runner.ts';
import { encodeTiles, featuresWithin } from './prompt-image.ts';
import type { Sequence } from './sequence.ts';
import type { SlotPool } from './slot-pool.ts';

export interface PromptProcessorOptions {
  readonly runner: ModelRunner;
  readonly slots: SlotPool;
  /** Packed features by content hash of the image, float32 [numTokens, hiddenSize]. */
  readonly features: LRUCache<string, Float32Array>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly budget: PrefillBudget;
}

/**
 * Brings a prompt into its slot's cache. It reuses the prefix that another sequence has computed, then encodes images and
 * prefills the rest piece by piece.
 *
 * Prompts are processed in order of admission, and the cache is searched when a prompt's turn comes, not before. So a
 * prompt that shares a prefix or an image with an unfinished one waits behind it anyway and finds the work done. Only
 * short prompts pass long ones.
 */
export class PromptProcessor {
  readonly #options: PromptProcessorOptions;
  /** Look-ups, hits and computed tokens so far. */
  readonly totals = {
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

  /** Reuses cached prefix and image features. Call it before each piece of the prompt. */
  async prepare(sequence: Sequence): Promise<void> {
    const { runner, slots, features } = this.#options;
    const isFirst = !sequence.isLookedUp;
    if (isFirst) {
      const prefix = slots.findPrefix(sequence.slot);
      if (prefix.fromSlot !== sequence.slot) {
        await runner.copyPrefix({ ...prefix, toSlot: sequence.slot });
        slots.copied(sequence.slot, prefix);
      }
      if (!sequence.wasPreempted) sequence.numReused = prefix.numTokens;
      sequence.isLookedUp = true;
      sequence.numCached = prefix.numTokens;
      this.totals.prefixQueries += sequence.numToPrefill;
      this.totals.prefixHits += prefix.numTokens;
    }
    for (const image of sequence.imagesToEncode) {
      image.packed = features.get(image.source.hash) ?? null;
    }
    if (!isFirst) return;
    this.totals.imageQueries += sequence.images.length;
    this.totals.imageHits += sequence.images.length - sequence.imagesToEncode.length;
  }

  /** Encodes the next tiles of the next image. */
  async encode(sequence: Sequence, count: number): Promise<void> {
    const [image] = sequence.imagesToEncode;
    if (image === undefined) return;
    const { runner, features, now } = this.#options;
    const started = now();
    await encodeTiles(runner, image, count, sequence.signal);
    const elapsedMs = now() - started;
    sequence.times.visionMs += elapsedMs;
    this.totals.visionMs += elapsedMs;
    this.totals.encodedTiles += count;
    if (image.packed !== null) features.set(image.source.hash, image.packed);
  }

  /**
   * Prefills the next piece: of the prompt, or of the generated tokens of a preempted sequence.
   * @param count most tokens of the piece
   * @returns logits float32 [vocabSize] after the last piece of a prompt; undefined after the others, and for a
   *   sequence that continues after a preemption
   */
  async prefill(sequence: Sequence, count: number): Promise<Float32Array | undefined> {
    const { runner, slots, now, budget } = this.#options;
    const start = sequence.numCached;
    const wasGenerated = start >= sequence.request.promptTokenIds.length;
    const limit = wasGenerated ? sequence.numToPrefill : sequence.request.promptTokenIds.length;
    const end = Math.min(start + count, limit);
    const tokenIds = sequence.tokensAt(start, end);
    const started = now();
    const logits = await runner.prefill(
      {
        slot: sequence.slot,
        start,
        tokenIds,
        features: featuresWithin(sequence.images, start, end - start),
        needsLogits:
          end === sequence.request.promptTokenIds.length && sequence.generated.length === 0,
        wasGenerated,
      },
      sequence.signal,
    );
    const elapsedMs = now() - started;
    sequence.times.prefillMs += elapsedMs;
    budget.observe(tokenIds.length, elapsedMs);
    slots.append(sequence.slot, tokenIds);
    sequence.numCached = end;
    this.totals.prefilledTokens += tokenIds.length;
    return logits;
  }
}

/** A smaller piece costs about as much as this many tokens. */
const SMALLEST_PIECE = 16;
/** Weight of the newest observation. */
const NEWEST = 0.3;

export interface PrefillBudgetOptions {
  /** Most prompt tokens of one step. */
  readonly prefillChunk: number;
  /** Longest time that prefill may delay decoding sequences in one step, in milliseconds. */
  readonly stallMs: number;
}

/**
 * The prefill budget of a step: `prefillChunk` tokens while no sequence decodes, else as many as fit into `stallMs` at
 * the prefill speed measured so far.
 */
export class PrefillBudget {
  readonly #options: PrefillBudgetOptions;
  #msPerToken: number | null = null;

  constructor(options: PrefillBudgetOptions) {
    this.#options = options;
  }

  observe(numTokens: number, elapsedMs: number): void {
    if (numTokens < SMALLEST_PIECE) return;
    const seen = elapsedMs / numTokens;
    this.#msPerToken =
      this.#msPerToken === null ? seen : (1 - NEWEST) * this.#msPerToken + NEWEST * seen;
  }

  /** Most prompt tokens of the next step. */
  tokens(isDecoding: boolean): number {
    const { prefillChunk, stallMs } = this.#options;
    if (!isDecoding || this.#msPerToken === null || this.#msPerToken <= 0) return prefillChunk;
    const fitting = Math.floor(stallMs / this.#msPerToken / SMALLEST_PIECE) * SMALLEST_PIECE;
    return Math.min(prefillChunk, Math.max(SMALLEST_PIECE, fitting));
  }
}
