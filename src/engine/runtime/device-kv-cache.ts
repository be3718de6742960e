import { DECODER_IO } from '../../package/graph-io.ts';
import type { PrefixCopy } from '../model-runner.ts';
import { type CacheMemory, CacheMover, zeroTensors } from './device-cache-graphs.ts';
import { type CacheSpan, KvCache, type KvCacheShape } from './kv-cache.ts';
import {
  type Backend,
  bytesOf,
  type Device,
  type DeviceBuffer,
  type DeviceTensor,
  RuntimeError,
} from './session.ts';

/**
 * A KV cache in a device's memory: one pair of arenas [numSlots, numKvHeads, slotCapacity, headDim] per layer, allocated
 * once and bound as the decode graph's inputs and outputs in every step.
 *
 * A device buffer cannot be viewed from its middle, so a batch always begins at slot 0. A step of several tokens must be
 * of one slot alone; it runs on the stage, separate tensors of [1, numKvHeads, slotCapacity, headDim]. The first chunk of
 * a prompt copies the slot's beginning to the stage. The slot stays there for the prompt's other chunks, and moves back
 * when it takes part in a batch or another slot needs the stage. A sequence that runs alone stays on the stage.
 */
export class DeviceKvCache extends KvCache {
  readonly #mover: CacheMover;
  readonly #buffers: readonly DeviceBuffer[];
  readonly #arena: CacheMemory;
  readonly #stage: CacheMemory;
  /** The slot on the stage. The arena may lack its newest keys and values. */
  #staged: number | null = null;

  private constructor(shape: KvCacheShape, parts: DeviceCacheParts) {
    super(shape);
    this.#mover = parts.mover;
    this.#arena = parts.arena;
    this.#stage = parts.stage;
    this.#buffers = [...parts.arena, ...parts.stage].map(({ buffer }) => buffer);
  }

  /** @throws RuntimeError when the device has too little memory, or no kernels for the element type */
  static async open(backend: Backend, device: Device, shape: KvCacheShape): Promise<DeviceKvCache> {
    const { text, numSlots, slotCapacity, elementType } = shape;
    if (elementType === 'int8') {
      throw new RuntimeError(`An int8 KV cache runs on the CPU only, not on ${device.kind}.`);
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
      // A step may read positions that no step has written; they must hold numbers.
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
      await this.#bringToStage(slot, this.lengths[slot]!);
      this.#staged = slot;
    }
    return span(this.#stage, slot, 1);
  }

  /** Spans slot 0 to the highest, or the stage when it holds the only slot. */
  async batchSpan(slots: readonly number[]): Promise<CacheSpan> {
    const staged = this.#staged;
    if (staged !== null && slots.includes(staged)) {
      if (slots.length === 1) return span(this.#stage, staged, 1);
      await this.#clearStage();
    }
    return span(this.#arena, 0, Math.max(...slots) + 1);
  }

  /** Leaves the copy on the stage, because `toSlot` is prefilled next. */
  async copyPrefix({ fromSlot, toSlot, numTokens }: PrefixCopy): Promise<void> {
    this.lengths[toSlot] = 0;
    const isOnStage = this.#staged === fromSlot;
    await this.#clearStage();
    if (!isOnStage) await this.#bringToStage(fromSlot, numTokens);
    this.#staged = toSlot;
    this.lengths[toSlot] = numTokens;
  }

  /** Exchanges two slots by way of the stage. */
  async swap(one: number, other: number): Promise<void> {
    await this.#clearStage();
    const [length, otherLength] = [this.lengths[one]!, this.lengths[other]!];
    const [arena, stage] = [this.#arena, this.#stage];
    const away = { from: arena, fromSlot: one, to: stage, toSlot: 0, numTokens: length };
    const over = { from: arena, fromSlot: other, to: arena, toSlot: one, numTokens: otherLength };
    const back = { from: stage, fromSlot: 0, to: arena, toSlot: other, numTokens: length };
    for (const move of [away, over, back]) await this.#mover.move(move);
    this.lengths[one] = otherLength;
    this.lengths[other] = length;
  }

  async dispose(): Promise<void> {
    await this.#mover.dispose();
    for (const buffer of this.#buffers) buffer.release();
  }

  async #clearStage(): Promise<void> {
    if (this.#staged === null) return;
    const [toSlot, numTokens] = [this.#staged, this.lengths[this.#staged]!];
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

/** The decode graph's tensors over the first slots of `memory`, whose tensors alternate between keys and values. */
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
