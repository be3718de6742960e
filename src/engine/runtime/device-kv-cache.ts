import { DECODER_IO } from '../../package/graph-io.ts';
import type { PrefixCopy } from '../model-runner.ts';
import { type CacheMemory, CacheMover } from './cache-mover.ts';
import { zeroTensors } from './device-memory.ts';
import { type CacheSpan, KvCache, type KvCacheShape } from './kv-cache.ts';
import {
  type Backend,
  type Device,
  type DeviceBuffer,
  type DeviceTensor,
  RuntimeError,
} from './session.ts';
import { bytesOf } from './tensor-check.ts';

/**
 * A cache in a device's memory: one pair of arenas [numSlots, numKvHeads, slotCapacity, headDim] per layer, taken once
 * and bound as the decoder's input and output in every step.
 *
 * A buffer there cannot be viewed from its middle, so a batch always begins at slot 0, and a step of several tokens,
 * which must be of one slot alone, runs in a place of its own beside the arenas, the stage: [1, numKvHeads,
 * slotCapacity, headDim] per tensor. A slot's beginning is brought there when a prompt's turn comes, stays while its
 * chunks are processed, and goes back when the slot takes part in a batch or another one needs the stage. A stream that
 * runs alone runs on the stage as long as it is there.
 */
export class DeviceKvCache extends KvCache {
  readonly #mover: CacheMover;
  readonly #buffers: readonly DeviceBuffer[];
  readonly #arena: CacheMemory;
  readonly #stage: CacheMemory;
  /** The slot whose keys and values are on the stage; the arena may not have them all. */
  #staged: number | null = null;

  private constructor(shape: KvCacheShape, parts: DeviceCacheParts) {
    super(shape);
    this.#mover = parts.mover;
    this.#arena = parts.arena;
    this.#stage = parts.stage;
    this.#buffers = [...parts.arena, ...parts.stage].map(({ buffer }) => buffer);
  }

  /** @throws RuntimeError when the device has not enough memory, or no kernels for the type of element */
  static async open(backend: Backend, device: Device, shape: KvCacheShape): Promise<DeviceKvCache> {
    const { text, numSlots, slotCapacity, elementType } = shape;
    if (elementType === 'int8') {
      throw new RuntimeError(`A cache of int8 runs on the CPU only, not on ${device.kind}.`);
    }
    const { numKvHeads, headDim } = text;
    const numTensors = 2 * text.numLayers;
    const slot = [numKvHeads, slotCapacity, headDim];
    const taken: DeviceTensor[] = [];
    try {
      const take = (slots: number): CacheMemory =>
        Array.from({ length: numTensors }, () => {
          const tensor = { type: elementType, dims: [slots, ...slot] };
          const memory = { ...tensor, buffer: device.allocate(bytesOf(tensor)) };
          taken.push(memory);
          return memory;
        });
      const [arena, stage] = [take(numSlots), take(1)];
      // What no step has written may be read beside what one has: it must be numbers.
      await zeroTensors(backend, elementType, taken);
      const mover = await CacheMover.open(backend, {
        numTensors,
        numKvHeads,
        slotCapacity,
        headDim,
        elementType,
      });
      return new DeviceKvCache(shape, { mover, arena, stage });
    } catch (error) {
      for (const { buffer } of taken) buffer.release();
      throw error;
    }
  }

  async sequenceSpan(slot: number): Promise<CacheSpan> {
    if (this.#staged !== slot) {
      await this.#clearStage();
      await this.#bringToStage(slot, this.lengthOf(slot));
      this.#staged = slot;
    }
    return span(this.#stage, slot, 1);
  }

  /** From slot 0 to the highest, or the stage where the one slot is there. */
  async batchSpan(slots: readonly number[]): Promise<CacheSpan> {
    const staged = this.#staged;
    if (staged !== null && slots.includes(staged)) {
      if (slots.length === 1) return span(this.#stage, staged, 1);
      await this.#clearStage();
    }
    return span(this.#arena, 0, Math.max(...slots) + 1);
  }

  /** The copy is made on the stage: the slot it is for is about to be prefilled. */
  async copyPrefix({ fromSlot, toSlot, numTokens }: PrefixCopy): Promise<void> {
    this.setLength(toSlot, 0);
    const isOnStage = this.#staged === fromSlot;
    await this.#clearStage();
    if (!isOnStage) await this.#bringToStage(fromSlot, numTokens);
    this.#staged = toSlot;
    this.setLength(toSlot, numTokens);
  }

  /** Exchanges two slots, with the stage for the one that is in the way. */
  async swap(one: number, other: number): Promise<void> {
    await this.#clearStage();
    const [length, otherLength] = [this.lengthOf(one), this.lengthOf(other)];
    const [arena, stage] = [this.#arena, this.#stage];
    const away = { from: arena, fromSlot: one, to: stage, toSlot: 0, numTokens: length };
    const over = { from: arena, fromSlot: other, to: arena, toSlot: one, numTokens: otherLength };
    const back = { from: stage, fromSlot: 0, to: arena, toSlot: other, numTokens: length };
    for (const move of [away, over, back]) await this.#mover.move(move);
    this.setLength(one, otherLength);
    this.setLength(other, length);
  }

  async dispose(): Promise<void> {
    await this.#mover.dispose();
    for (const buffer of this.#buffers) buffer.release();
  }

  async #clearStage(): Promise<void> {
    if (this.#staged === null) return;
    const [toSlot, numTokens] = [this.#staged, this.lengthOf(this.#staged)];
    await this.#mover.move({ from: this.#stage, fromSlot: 0, to: this.#arena, toSlot, numTokens });
    this.#staged = null;
  }

  #bringToStage(fromSlot: number, numTokens: number): Promise<void> {
    return this.#mover.move({
      from: this.#arena,
      fromSlot,
      to: this.#stage,
      toSlot: 0,
      numTokens,
    });
  }
}

interface DeviceCacheParts {
  readonly mover: CacheMover;
  readonly arena: CacheMemory;
  readonly stage: CacheMemory;
}

/** The decoder's tensors over the first slots of some memory, whose tensors alternate between keys and values. */
function span(memory: CacheMemory, firstSlot: number, numSlots: number): CacheSpan {
  const feeds: Record<string, DeviceTensor> = {};
  const fetches: Record<string, DeviceTensor> = {};
  for (const [index, tensor] of memory.entries()) {
    const [layer, isKey] = [index >> 1, index % 2 === 0];
    const part = { ...tensor, dims: [numSlots, ...tensor.dims.slice(1)] };
    feeds[isKey ? DECODER_IO.pastKey(layer) : DECODER_IO.pastValue(layer)] = part;
    fetches[isKey ? DECODER_IO.presentKey(layer) : DECODER_IO.presentValue(layer)] = part;
  }
  return { firstSlot, numSlots, feeds, fetches };
}
