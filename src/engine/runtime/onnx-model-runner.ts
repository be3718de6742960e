import { join } from 'node:path';
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
import { DeviceKvCache } from './device-kv-cache.ts';
import { Embedder, type EmbeddingRows } from './embedder.ts';
import { HostKvCache } from './host-kv-cache.ts';
import { cacheElementType, type KvCache } from './kv-cache.ts';
import { type GraphOptions, graphsFor, openGraph, prefillFile } from './package-graphs.ts';
import { RuntimeError } from './session.ts';
import {
  checkDecodeRows,
  checkDraft,
  checkPrefillChunk,
  checkPrefixCopy,
  checkSlot,
  splitChunk,
} from './step-input.ts';
import { readNewline, VisionEncoder } from './vision-encoder.ts';

export interface ModelRunnerOptions extends GraphOptions {
  readonly numSlots: number;
  /** Positions per slot; at most the model's maxPositions. */
  readonly slotCapacity: number;
}

/** A package's model with access to its KV cache. */
export interface PackageRunner extends ModelRunner {
  readonly cache: KvCache;
}

/** The model runner's graphs and memory. */
interface Parts {
  readonly limits: ModelLimits;
  readonly cache: KvCache;
  readonly decoder: Decoder;
  /** Runs the prefill graph; `decoder` itself when there is none. */
  readonly prefill: Decoder;
  readonly embedder: Embedder;
  /** undefined for a text-only model. */
  readonly vision: VisionEncoder | undefined;
  /** Most tokens of a prompt in one run. */
  readonly longestRun: number;
}

interface Disposable {
  dispose(): Promise<void>;
}

/**
 * Loads a package's graphs and allocates the KV cache.
 * @throws RuntimeError when a graph cannot be loaded, the package has none for the requested KV cache, or the slots do
 * not fit the model
 */
export async function openModelRunner(options: ModelRunnerOptions): Promise<PackageRunner> {
  const { text } = options.manifest;
  const { numSlots, slotCapacity } = options;
  if (numSlots < 1)
    throw new RuntimeError(`The number of slots must be 1 or more, got ${numSlots}.`);
  if (slotCapacity < 1 || slotCapacity > text.maxPositions) {
    throw new RuntimeError(
      `A slot's capacity must be 1 to ${text.maxPositions} positions, got ${slotCapacity}.`,
    );
  }
  const opened: Disposable[] = [];
  try {
    return new OnnxModelRunner(await openParts(options, opened));
  } catch (error) {
    await Promise.all(opened.map((part) => part.dispose()));
    throw error;
  }
}

/** @param opened receives every part as it opens, for the caller to dispose of after a failure */
async function openParts(options: ModelRunnerOptions, opened: Disposable[]): Promise<Parts> {
  const { packageDir, manifest, backend, numSlots, slotCapacity, kvCache = 'fp32' } = options;
  const { text, vision, imageNewline } = manifest;
  const { device } = backend;
  const keep = <Part extends Disposable>(part: Part): Part => {
    opened.push(part);
    return part;
  };
  const graphs = graphsFor(manifest, { device, kvCache });
  const session = keep(await openGraph(options, { kind: 'decoder', file: graphs.decoder }));
  const decoder = new Decoder(session, numSlots, text);
  const shape = { text, numSlots, slotCapacity, elementType: cacheElementType(session) };
  const cache = keep(
    device === null ? new HostKvCache(shape) : await DeviceKvCache.open(backend, device, shape),
  );
  const embed = keep(await openGraph(options, { kind: 'embed', file: graphs.embed }));
  const file = prefillFile(options);
  const prefill =
    file === undefined
      ? decoder
      : new Decoder(keep(await openGraph(options, { kind: 'prefill', file })), 1, text);
  let encoder: VisionEncoder | undefined;
  if (vision !== null && graphs.vision !== null) {
    if (imageNewline === null) throw new RuntimeError('The package has no newline feature.');
    const { hiddenSize } = text;
    const newline = await readNewline(join(packageDir, imageNewline), hiddenSize);
    const tower = keep(await openGraph(options, { kind: 'vision', file: graphs.vision }));
    encoder = new VisionEncoder({ session: tower, vision, hiddenSize, newline });
  }
  return {
    limits: {
      vocabSize: text.vocabSize,
      hiddenSize: text.hiddenSize,
      numSlots,
      slotCapacity,
      kvCacheType: cache.elementType,
      batchesFromFirstSlot: device !== null,
    },
    ...{ cache, decoder, prefill, vision: encoder },
    embedder: new Embedder({ session: embed, ...text, device }),
    longestRun: device?.longestRun ?? Infinity,
  };
}

/** Consecutive tokens of one sequence, in one run of a graph. */
interface SequenceRun {
  readonly graph: Decoder;
  readonly slot: number;
  /** Position of the first token. */
  readonly start: number;
  readonly numTokens: number;
  readonly embeddings: EmbeddingRows;
  /** Tokens whose logits are returned, by their place in the run. */
  readonly logitRows: readonly number[];
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
    const { cache, decoder, prefill, longestRun } = this.#parts;
    const { hiddenSize } = this.limits;
    checkPrefillChunk(chunk, cache, hiddenSize);
    const graph = chunk.wasGenerated ? decoder : prefill;
    let logits: Float32Array | undefined;
    for (const piece of splitChunk(chunk, longestRun, hiddenSize)) {
      const { slot, start, tokenIds, needsLogits } = piece;
      const numTokens = tokenIds.length;
      const logitRows = needsLogits ? [numTokens - 1] : [];
      // A failed or aborted run leaves anything behind: its positions count only when it has succeeded.
      cache.lengths[slot] = start;
      const embeddings = await this.#embed(piece, signal);
      const run = { graph, slot, start, numTokens, embeddings, logitRows };
      [logits] = await this.#runSequence(run, signal);
    }
    return logits;
  }

  /**
   * The batch is a contiguous range of slots, so that the cache need not be copied. Idle slots in the range are computed
   * as well. They cost little: a step's time goes into reading the weights, and a batch reads them once.
   */
  async decode(rows: readonly DecodeRow[]): Promise<readonly Float32Array[]> {
    if (rows.length === 0) return [];
    const { cache, decoder, embedder } = this.#parts;
    checkDecodeRows(rows, cache);
    const slots = rows.map((row) => row.slot);
    const span = await cache.batchSpan(slots);
    const { firstSlot, numSlots } = span;
    const tokenIds = new Int32Array(numSlots);
    // An idle slot writes the position after its sequence. A full one gives up its last position: no step can read it
    // again, because a step that continues that sequence writes this position first.
    const lastPositions = Array.from({ length: numSlots }, (_, index) =>
      Math.min(cache.lengths[firstSlot + index]!, cache.slotCapacity - 1),
    );
    for (const { slot, position, tokenId } of rows) {
      tokenIds[slot - firstSlot] = tokenId;
      lastPositions[slot - firstSlot] = position;
      cache.lengths[slot] = position;
    }
    const embeddings = await embedder.embed(tokenIds);
    const logits = await decoder.run({
      span,
      embeddings,
      tokensPerSlot: 1,
      lastPositions,
      logitRows: slots.map((slot) => slot - firstSlot),
    });
    for (const { slot, position } of rows) cache.lengths[slot] = position + 1;
    return logits;
  }

  async verify({ slot, position, tokenIds }: DraftRow): Promise<readonly Float32Array[]> {
    const { cache, decoder, embedder } = this.#parts;
    checkDraft({ slot, position, tokenIds }, cache);
    cache.lengths[slot] = position;
    return this.#runSequence({
      graph: decoder,
      slot,
      start: position,
      numTokens: tokenIds.length,
      embeddings: await embedder.embed(tokenIds),
      logitRows: tokenIds.map((_, row) => row),
    });
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
    const { cache, decoder, prefill, embedder, vision } = this.#parts;
    await Promise.all([
      decoder.dispose(),
      prefill.dispose(),
      embedder.dispose(),
      vision?.dispose(),
    ]);
    await cache.dispose();
  }

  /** Runs tokens of one sequence. The slot then holds its tokens up to the last of these. */
  async #runSequence(run: SequenceRun, signal?: AbortSignal): Promise<readonly Float32Array[]> {
    const { graph, slot, start, numTokens, embeddings, logitRows } = run;
    const { cache } = this.#parts;
    const end = start + numTokens;
    const logits = await graph.run(
      {
        span: await cache.sequenceSpan(slot),
        embeddings,
        tokensPerSlot: numTokens,
        lastPositions: [end - 1],
        logitRows,
      },
      signal,
    );
    cache.lengths[slot] = end;
    return logits;
  }

  /** Embeds a chunk. With images, the rows come to this process' memory, where features replace some of them. */
  async #embed({ tokenIds, features }: PrefillChunk, signal?: AbortSignal): Promise<EmbeddingRows> {
    const { embedder } = this.#parts;
    if (features.length === 0) return embedder.embed(tokenIds, signal);
    const data = await embedder.embedHere(tokenIds, signal);
    for (const { offset, rows } of features) data.set(rows, offset * this.limits.hiddenSize);
    return { data };
  }

  #vision(): VisionEncoder {
    const { vision } = this.#parts;
    if (vision === undefined) throw new RuntimeError('The model takes no images.');
    return vision;
  }
}
