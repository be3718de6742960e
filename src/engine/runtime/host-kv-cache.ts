import { DECODER_IO } from '../../package/graph-io.ts';
import type { PrefixCopy } from '../model-runner.ts';
import { type CacheElementType, type CacheSpan, KvCache, type KvCacheShape } from './kv-cache.ts';
import { RuntimeError, type TensorView } from './session.ts';

type Elements = Float32Array | Uint16Array | Int8Array;

interface Arena {
  readonly key: Elements;
  readonly value: Elements;
  /** The layer's tensors in the graph: inputs, then outputs. */
  readonly names: {
    readonly pastKey: string;
    readonly pastValue: string;
    readonly presentKey: string;
    readonly presentValue: string;
  };
}

/** A span whose tensors are views of this process' memory. */
interface HostSpan extends CacheSpan {
  readonly feeds: Readonly<Record<string, TensorView>>;
  readonly fetches: Readonly<Record<string, TensorView>>;
}

const ARRAYS = { float32: Float32Array, float16: Uint16Array, int8: Int8Array } as const;

/**
 * A KV cache in this process' memory: one pair of arenas [numSlots, numKvHeads, slotCapacity, headDim] per layer.
 *
 * A range of slots is a contiguous part of an arena, so a batch over it is a view and nothing is copied. The arenas are
 * zeroed memory from the operating system, which commits a page on its first write. Capacity therefore costs address
 * space, and only tokens cost memory.
 */
export class HostKvCache extends KvCache {
  readonly #dims: readonly [number, number, number];
  readonly #layers: readonly Arena[];

  /** @throws RuntimeError when the address space cannot hold the cache */
  constructor(shape: KvCacheShape) {
    super(shape);
    const { text, numSlots, slotCapacity, elementType } = shape;
    this.#dims = [text.numKvHeads, slotCapacity, text.headDim];
    const elements = numSlots * text.numKvHeads * slotCapacity * text.headDim;
    this.#layers = Array.from({ length: text.numLayers }, (_, layer) => ({
      key: allocate(elements, elementType),
      value: allocate(elements, elementType),
      names: {
        pastKey: DECODER_IO.pastKey(layer),
        pastValue: DECODER_IO.pastValue(layer),
        presentKey: DECODER_IO.presentKey(layer),
        presentValue: DECODER_IO.presentValue(layer),
      },
    }));
  }

  async sequenceSpan(slot: number): Promise<HostSpan> {
    return this.batchSpan([slot]);
  }

  /** Spans the lowest to the highest slot, idle slots in between included. */
  async batchSpan(slots: readonly number[]): Promise<HostSpan> {
    const firstSlot = Math.min(...slots);
    const numSlots = Math.max(...slots) - firstSlot + 1;
    const slotElements = this.#dims.reduce((product, dim) => product * dim, 1);
    const start = firstSlot * slotElements;
    const end = start + numSlots * slotElements;
    const dims = [numSlots, ...this.#dims];
    const type = this.elementType;
    const feeds: Record<string, TensorView> = {};
    const fetches: Record<string, TensorView> = {};
    for (const { key, value, names } of this.#layers) {
      const keys = { type, dims, data: key.subarray(start, end) };
      const values = { type, dims, data: value.subarray(start, end) };
      feeds[names.pastKey] = keys;
      feeds[names.pastValue] = values;
      fetches[names.presentKey] = keys;
      fetches[names.presentValue] = values;
    }
    return { firstSlot, numSlots, feeds, fetches };
  }

  async copyPrefix({ fromSlot, toSlot, numTokens }: PrefixCopy): Promise<void> {
    const [numKvHeads, slotCapacity, headDim] = this.#dims;
    const headElements = slotCapacity * headDim;
    this.lengths[toSlot] = 0;
    for (const { key, value } of this.#layers) {
      for (let head = 0; head < numKvHeads; head += 1) {
        const source = (fromSlot * numKvHeads + head) * headElements;
        const target = (toSlot * numKvHeads + head) * headElements;
        key.copyWithin(target, source, source + numTokens * headDim);
        value.copyWithin(target, source, source + numTokens * headDim);
      }
    }
    this.lengths[toSlot] = numTokens;
  }

  async swap(one: number, other: number): Promise<void> {
    const [numKvHeads, slotCapacity, headDim] = this.#dims;
    const [length, otherLength] = [this.lengths[one]!, this.lengths[other]!];
    const numElements = Math.max(length, otherLength) * headDim;
    const spare = allocate(numElements, this.elementType);
    for (const { key, value } of this.#layers) {
      for (let head = 0; head < numKvHeads; head += 1) {
        const from = (one * numKvHeads + head) * slotCapacity * headDim;
        const to = (other * numKvHeads + head) * slotCapacity * headDim;
        for (const arena of [key, value]) {
          spare.set(arena.subarray(from, from + numElements));
          arena.copyWithin(from, to, to + numElements);
          arena.set(spare, to);
        }
      }
    }
    this.lengths[one] = otherLength;
    this.lengths[other] = length;
  }

  /** The arenas are garbage collected. */
  async dispose(): Promise<void> {}
}

function allocate(elements: number, type: CacheElementType): Elements {
  try {
    return new ARRAYS[type](elements);
  } catch (error) {
    throw new RuntimeError(
      `The KV cache needs ${elements * ARRAYS[type].BYTES_PER_ELEMENT} bytes in one piece: ${String(error)}`,
    );
  }
}
