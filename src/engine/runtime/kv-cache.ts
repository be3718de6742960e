import type { TextShape } from '../../package/manifest.ts';
import type { PrefixCopy } from '../model-runner.ts';
import type { Tensor } from './session.ts';

/** Types of element a cache can be of. float16 and int8 need a graph made for them. */
export const CACHE_ELEMENT_TYPES = ['float32', 'float16', 'int8'] as const;
export type CacheElementType = (typeof CACHE_ELEMENT_TYPES)[number];

export interface KvCacheShape {
  readonly text: Pick<TextShape, 'numLayers' | 'numKvHeads' | 'headDim'>;
  readonly numSlots: number;
  /** Positions per slot. */
  readonly slotCapacity: number;
  readonly elementType: CacheElementType;
}

/** The part of a cache that one step works on: neighbouring slots, and the decoder's tensors over their memory. */
export interface CacheSpan {
  readonly firstSlot: number;
  readonly numSlots: number;
  /** The decoder's past_* inputs, [numSlots, numKvHeads, slotCapacity, headDim]. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Its present_* outputs, over the same memory. */
  readonly fetches: Readonly<Record<string, Tensor>>;
}

/**
 * The keys and values of all slots. Where they lie, as what type of element, and how they are moved is the cache's own
 * business; whoever runs the decoder asks for a span and binds its tensors.
 *
 * A slot's length is the number of its positions that hold a sequence. It tells an idle slot that takes part in a batch
 * where it may write without harm.
 */
export abstract class KvCache {
  readonly numSlots: number;
  readonly slotCapacity: number;
  readonly elementType: CacheElementType;
  readonly #lengths: Int32Array;

  constructor({ numSlots, slotCapacity, elementType }: Omit<KvCacheShape, 'text'>) {
    this.elementType = elementType;
    this.numSlots = numSlots;
    this.slotCapacity = slotCapacity;
    this.#lengths = new Int32Array(numSlots);
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

  /** A span of this slot alone, for a step of any number of tokens. Valid until the cache is next asked for anything. */
  abstract sequenceSpan(slot: number): Promise<CacheSpan>;

  /** A span with all these slots in it, and maybe others, for a step of one token each. Valid as long. */
  abstract batchSpan(slots: readonly number[]): Promise<CacheSpan>;

  /** Copies the keys and values of the first positions; `toSlot` then holds these and no others. */
  abstract copyPrefix(copy: PrefixCopy): Promise<void>;

  /** Exchanges the keys and values of two slots, as far as either holds any. */
  abstract swap(one: number, other: number): Promise<void>;

  /** Gives back memory that nobody else would. */
  abstract dispose(): Promise<void>;
}
