import { DECODER_IO } from '../../package/graph-io.ts';
import type { TextShape } from '../../package/manifest.ts';
import type { PrefixCopy } from '../model-runner.ts';
import { RuntimeError, type Session, type Tensor } from './session.ts';

/** Element types of the KV cache. float16 and int8 need a decode graph made for them. */
export const CACHE_ELEMENT_TYPES = ['float32', 'float16', 'int8'] as const;
export type CacheElementType = (typeof CACHE_ELEMENT_TYPES)[number];

/**
 * Reads the element type of the KV cache from a decode graph's inputs.
 * @throws RuntimeError when the graph's cache is of another type
 */
export function cacheElementType(decoder: Session): CacheElementType {
  const type = decoder.inputType(DECODER_IO.pastKey(0));
  const known = CACHE_ELEMENT_TYPES.find((candidate) => candidate === type);
  if (known !== undefined) return known;
  throw new RuntimeError(
    `The decode graph's KV cache is ${type}; it must be ${CACHE_ELEMENT_TYPES.join(', ')}.`,
  );
}

export interface KvCacheShape {
  readonly text: Pick<TextShape, 'numLayers' | 'numKvHeads' | 'headDim'>;
  readonly numSlots: number;
  /** Positions per slot. */
  readonly slotCapacity: number;
  readonly elementType: CacheElementType;
}

/** The part of the cache that one step reads and writes: neighbouring slots, as the decode graph's tensors. */
export interface CacheSpan {
  readonly firstSlot: number;
  readonly numSlots: number;
  /** The graph's past_* inputs, [numSlots, numKvHeads, slotCapacity, headDim]. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** The graph's present_* outputs, over the same memory. */
  readonly fetches: Readonly<Record<string, Tensor>>;
}

/**
 * The keys and values of all slots. A subclass decides in which memory they lie and how they are moved. The model runner
 * asks for a span and binds its tensors.
 *
 * The length of a slot tells an idle slot that takes part in a batch
 * where to write without harm.
 */
export abstract class KvCache {
  readonly numSlots: number;
  readonly slotCapacity: number;
  readonly elementType: CacheElementType;
  /** Positions of each slot that hold a sequence. */
  readonly lengths: Int32Array;

  constructor({ numSlots, slotCapacity, elementType }: Omit<KvCacheShape, 'text'>) {
    this.elementType = elementType;
    this.numSlots = numSlots;
    this.slotCapacity = slotCapacity;
    this.lengths = new Int32Array(numSlots);
  }

  /** Returns a span of this slot alone, for a step of any number of tokens. Valid until the next call of the cache. */
  abstract sequenceSpan(slot: number): Promise<CacheSpan>;

  /**
   * Returns a span that contains all these slots and possibly others, for a step of one token per slot. Valid until the
   * next call of the cache.
   */
  abstract batchSpan(slots: readonly number[]): Promise<CacheSpan>;

  /** Copies the keys and values of the first positions. `toSlot` then holds these and no others. */
  abstract copyPrefix(copy: PrefixCopy): Promise<void>;

  /** Exchanges the keys and values of two slots, up to the length of each. */
  abstract swap(one: number, other: number): Promise<void>;

  /** Frees memory that is not garbage collected. */
  abstract dispose(): Promise<void>;
}
