import type { PrefixCopy } from '../engine/model-runner.ts';
import { DECODER_IO } from '../model-package/graph-io.ts';
import type { TextShape } from '../model-package/manifest.ts';
import { RuntimeError, type TensorView } from './session.ts';

export interface KvCacheShape {
  readonly text: Pick<TextShape, 'numLayers' | 'numKvHeads' | 'headDim'>;
  readonly numSlots: number;
  /** Positions per slot. */
  readonly slotCapacity: number;
}

interface Arena {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/**
 * The keys and values of all slots, one pair of arenas float32 [numSlots, numKvHeads, slotCapacity, headDim] per layer.
 *
 * A range of slots is a contiguous part of an arena, so a batch over it is a view and nothing is copied. The arenas are
 * zeroed memory from the system, which commits a page when it is first written: capacity costs address space, tokens
 * cost memory.
 *
 * A slot's length is the number of its positions that hold a sequence. It tells an idle slot that takes part in a batch
 * where it may write without harm.
 */
export class KvCache {
  readonly numSlots: number;
  readonly slotCapacity: number;
  readonly #dims: readonly [number, number, number];
  readonly #layers: readonly Arena[];
  readonly #lengths: Int32Array;

  /** @throws RuntimeError when the address space cannot hold the cache */
  constructor({ text, numSlots, slotCapacity }: KvCacheShape) {
    this.numSlots = numSlots;
    this.slotCapacity = slotCapacity;
    this.#dims = [text.numKvHeads, slotCapacity, text.headDim];
    this.#lengths = new Int32Array(numSlots);
    const elements = numSlots * text.numKvHeads * slotCapacity * text.headDim;
    this.#layers = Array.from({ length: text.numLayers }, () => ({
      key: allocate(elements),
      value: allocate(elements),
    }));
  }

  lengthOf(slot: number): number {
    return this.#lengths[slot]!;
  }

  setLength(slot: number, length: number): void {
    this.#lengths[slot] = length;
  }

  /**
   * Position an idle slot writes to in somebody else's step: the one after its sequence. A full slot gives up its last
   * position, which nothing can read again: whatever continues that sequence has to write this very position first.
   */
  idlePosition(slot: number): number {
    return Math.min(this.lengthOf(slot), this.slotCapacity - 1);
  }

  /** Copies the keys and values of the first positions; `toSlot` then holds these and no others. */
  copyPrefix({ fromSlot, toSlot, numTokens }: PrefixCopy): void {
    const [numKvHeads, slotCapacity, headDim] = this.#dims;
    const headElements = slotCapacity * headDim;
    this.setLength(toSlot, 0);
    for (const { key, value } of this.#layers) {
      for (let head = 0; head < numKvHeads; head += 1) {
        const source = (fromSlot * numKvHeads + head) * headElements;
        const target = (toSlot * numKvHeads + head) * headElements;
        key.copyWithin(target, source, source + numTokens * headDim);
        value.copyWithin(target, source, source + numTokens * headDim);
      }
    }
    this.setLength(toSlot, numTokens);
  }

  /** Exchanges the keys and values of two slots, as far as either holds any. */
  swap(one: number, other: number): void {
    const [numKvHeads, slotCapacity, headDim] = this.#dims;
    const [length, otherLength] = [this.lengthOf(one), this.lengthOf(other)];
    const numElements = Math.max(length, otherLength) * headDim;
    const spare = new Float32Array(numElements);
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
    this.setLength(one, otherLength);
    this.setLength(other, length);
  }

  /** Decoder inputs over slots `first` to `first + count - 1`. */
  feeds(first: number, count: number): Record<string, TensorView> {
    return this.#tensors(first, count, DECODER_IO.pastKey, DECODER_IO.pastValue);
  }

  /** Decoder outputs over the same memory as `feeds`. */
  fetches(first: number, count: number): Record<string, TensorView> {
    return this.#tensors(first, count, DECODER_IO.presentKey, DECODER_IO.presentValue);
  }

  #tensors(
    first: number,
    count: number,
    keyName: (layer: number) => string,
    valueName: (layer: number) => string,
  ): Record<string, TensorView> {
    const dims = [count, ...this.#dims];
    const slotElements = this.#dims.reduce((product, dim) => product * dim, 1);
    const start = first * slotElements;
    const end = start + count * slotElements;
    const tensors: Record<string, TensorView> = {};
    for (const [layer, { key, value }] of this.#layers.entries()) {
      tensors[keyName(layer)] = { type: 'float32', dims, data: key.subarray(start, end) };
      tensors[valueName(layer)] = { type: 'float32', dims, data: value.subarray(start, end) };
    }
    return tensors;
  }
}

function allocate(elements: number): Float32Array {
  try {
    return new Float32Array(elements);
  } catch (error) {
    throw new RuntimeError(
      `The KV cache needs ${elements * Float32Array.BYTES_PER_ELEMENT} bytes in one piece: ${String(error)}`,
    );
  }
}
