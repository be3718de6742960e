import type {
  DecodeRow,
  DraftRow,
  ModelLimits,
  ModelRunner,
  PrefillChunk,
  PrefixCopy,
  TiledImage,
} from '../model-runner.ts';
import { Decoder } from './decoder.ts';
import { Embedder, type EmbeddingRows } from './embedder.ts';
import type { KvCache } from './kv-cache.ts';
import {
  type Disposable,
  type GraphOptions,
  openGraph,
  openPrefill,
  openVision,
} from './open-graphs.ts';
import { openKvCache } from './open-kv-cache.ts';
import { graphsFor } from './package-graphs.ts';
import { RuntimeError } from './session.ts';
import { splitChunk } from './split-chunk.ts';
import {
  checkDecodeRows,
  checkDraft,
  checkPrefillChunk,
  checkPrefixCopy,
  checkSlot,
} from './step-check.ts';
import type { VisionEncoder } from './vision-encoder.ts';

export interface ModelRunnerOptions extends GraphOptions {
  readonly numSlots: number;
  /** Positions per slot; at most the model's maxPositions. */
  readonly slotCapacity: number;
}

/** A package's model, whose cache can be looked into. */
export interface PackageRunner extends ModelRunner {
  readonly cache: KvCache;
}

/**
 * Loads a package's graphs and sets up the KV cache.
 * @throws RuntimeError when a graph cannot be loaded, the package has none for the KV cache asked for, or the slots do
 * not fit the model
 */
export async function openModelRunner(options: ModelRunnerOptions): Promise<PackageRunner> {
  const { manifest, backend, numSlots, slotCapacity, kvCache = 'fp32' } = options;
  const { text } = manifest;
  const graphs = graphsFor(manifest, { device: backend.device, kvCache });
  if (numSlots < 1)
    throw new RuntimeError(`The number of slots must be 1 or more, got ${numSlots}.`);
  if (slotCapacity < 1 || slotCapacity > text.maxPositions) {
    throw new RuntimeError(
      `A slot's capacity must be 1 to ${text.maxPositions} positions, got ${slotCapacity}.`,
    );
  }
  const opened: Disposable[] = [];
  try {
    const session = await openGraph(options, { kind: 'decoder', file: graphs.decoder }, opened);
    const decoder = new Decoder(session, numSlots, text);
    const cache = await openKvCache(backend, session, { text, numSlots, slotCapacity });
    opened.push(cache);
    const embed = await openGraph(options, { kind: 'embed', file: graphs.embed }, opened);
    return new OnnxModelRunner({
      limits: {
        vocabSize: text.vocabSize,
        hiddenSize: text.hiddenSize,
        numSlots,
        slotCapacity,
        kvCacheType: cache.elementType,
        batchesFromFirstSlot: backend.device !== null,
      },
      cache,
      decoder,
      prompts: (await openPrefill(options, opened)) ?? decoder,
      embedder: new Embedder({ session: embed, ...text, device: backend.device }),
      vision: await openVision(options, graphs.vision, opened),
      longestRun: backend.device?.longestRun ?? Infinity,
    });
  } catch (error) {
    await Promise.all(opened.map((part) => part.dispose()));
    throw error;
  }
}

interface Parts {
  readonly limits: ModelLimits;
  readonly cache: KvCache;
  readonly decoder: Decoder;
  /** Computes prompts; `decoder` itself where they have no other. */
  readonly prompts: Decoder;
  readonly embedder: Embedder;
  readonly vision: VisionEncoder | undefined;
  /** Most tokens of a prompt that are computed in one run. */
  readonly longestRun: number;
}

class OnnxModelRunner implements PackageRunner {
  readonly limits: ModelLimits;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.limits = parts.limits;
    this.#parts = parts;
  }

  get cache(): KvCache {
    return this.#parts.cache;
  }

  encodeTiles(
    image: TiledImage,
    first: number,
    count: number,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    return this.#vision().encodeTiles(image, first, count, signal);
  }

  packFeatures(image: TiledImage, features: Float32Array): Float32Array {
    return this.#vision().packFeatures(image, features);
  }

  async prefill(chunk: PrefillChunk, signal?: AbortSignal): Promise<Float32Array | undefined> {
    const { cache, longestRun } = this.#parts;
    const { hiddenSize } = this.limits;
    checkPrefillChunk(chunk, cache, hiddenSize);
    let logits: Float32Array | undefined;
    for (const piece of splitChunk(chunk, longestRun, hiddenSize)) {
      logits = await this.#prefillRun(piece, signal);
    }
    return logits;
  }

  async #prefillRun(chunk: PrefillChunk, signal?: AbortSignal): Promise<Float32Array | undefined> {
    const { cache, decoder, prompts } = this.#parts;
    const { slot, start, tokenIds } = chunk;
    // Whatever becomes of this run, nothing from `start` on can be trusted until it has succeeded.
    cache.setLength(slot, start);
    const span = await cache.sequenceSpan(slot);
    const embeddings = await this.#embed(chunk, signal);
    const last = tokenIds.length - 1;
    const logits = await (chunk.wasGenerated ? decoder : prompts).run(
      {
        span,
        embeddings,
        tokensPerSlot: tokenIds.length,
        lastPositions: [start + last],
        logitRows: chunk.needsLogits ? [last] : [],
      },
      signal,
    );
    cache.setLength(slot, start + tokenIds.length);
    return logits[0];
  }

  /**
   * The batch is a contiguous range of slots, so that the cache needs no copying. Idle slots in it ride along: reading
   * the weights is what a step costs, and a batch reads them once.
   */
  async decode(rows: readonly DecodeRow[]): Promise<readonly Float32Array[]> {
    if (rows.length === 0) return [];
    const { cache, decoder, embedder } = this.#parts;
    checkDecodeRows(rows, cache);
    const slots = rows.map((row) => row.slot);
    const span = await cache.batchSpan(slots);
    const { firstSlot, numSlots } = span;
    const tokenIds = new Int32Array(numSlots);
    const lastPositions = Array.from({ length: numSlots }, (_, index) =>
      cache.idlePosition(firstSlot + index),
    );
    for (const { slot, position, tokenId } of rows) {
      tokenIds[slot - firstSlot] = tokenId;
      lastPositions[slot - firstSlot] = position;
      // As in prefill: only a step that succeeded makes the position count.
      cache.setLength(slot, position);
    }
    const embeddings = await embedder.embed(tokenIds);
    const logits = await decoder.run({
      span,
      embeddings,
      tokensPerSlot: 1,
      lastPositions,
      logitRows: slots.map((slot) => slot - firstSlot),
    });
    for (const { slot, position } of rows) cache.setLength(slot, position + 1);
    return logits;
  }

  async verify({ slot, position, tokenIds }: DraftRow): Promise<readonly Float32Array[]> {
    const { cache, decoder, embedder } = this.#parts;
    checkDraft({ slot, position, tokenIds }, cache);
    // As in prefill.
    cache.setLength(slot, position);
    const embeddings = await embedder.embed(tokenIds);
    const logits = await decoder.run({
      span: await cache.sequenceSpan(slot),
      embeddings,
      tokensPerSlot: tokenIds.length,
      lastPositions: [position + tokenIds.length - 1],
      logitRows: tokenIds.map((_, row) => row),
    });
    cache.setLength(slot, position + tokenIds.length);
    return logits;
  }

  /** Features replace rows in this process' memory; text alone need not come here. */
  async #embed({ tokenIds, features }: PrefillChunk, signal?: AbortSignal): Promise<EmbeddingRows> {
    const { embedder } = this.#parts;
    if (features.length === 0) return embedder.embed(tokenIds, signal);
    const data = await embedder.embedHere(tokenIds, signal);
    for (const { offset, rows } of features) data.set(rows, offset * this.limits.hiddenSize);
    return { data };
  }

  async copyPrefix(copy: PrefixCopy): Promise<void> {
    const { cache } = this.#parts;
    checkPrefixCopy(copy, cache);
    await cache.copyPrefix(copy);
  }

  async swapSlots(one: number, other: number): Promise<void> {
    const { cache } = this.#parts;
    checkSlot(one, cache);
    checkSlot(other, cache);
    await cache.swap(one, other);
  }

  async dispose(): Promise<void> {
    const { cache, decoder, prompts, embedder, vision } = this.#parts;
    await Promise.all([
      decoder.dispose(),
      prompts.dispose(),
      embedder.dispose(),
      vision?.dispose(),
    ]);
    await cache.dispose();
  }

  #vision(): VisionEncoder {
    const { vision } = this.#parts;
    if (vision === undefined) throw new RuntimeError('The model takes no images.');
    return vision;
  }
}
