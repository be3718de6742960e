import type { KvCache } from '../../../../engine/runtime/kv-cache.ts';
import { DECODER_IO } from '../../../../package/graph-io.ts';
import type { TextShape } from '../../../../package/manifest.ts';
import type { KvScales } from '../../int8-kv-graph.ts';

/** Ranges of keys and values in the KV cache: calibration of the int8 scales, and how much the scales clip. */

export type CacheShape = Pick<TextShape, 'numLayers' | 'numKvHeads' | 'headDim'>;

/** Keys and values of one sequence in one layer, float32 [numKvHeads, slotCapacity, headDim]. */
export interface LayerContents {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Keys (after norm and rotary embedding) and values of the sequence in a slot, per layer; views, not copies. */
export async function cacheContents(
  cache: KvCache,
  slot: number,
  numLayers: number,
): Promise<LayerContents[]> {
  const { feeds } = await cache.sequenceSpan(slot);
  const values = (name: string): Float32Array => {
    const tensor = feeds[name];
    if (tensor !== undefined && 'data' in tensor && tensor.data instanceof Float32Array) {
      return tensor.data;
    }
    throw new Error(`The cache's ${name} is not float32 in this process' memory.`);
  };
  return Array.from({ length: numLayers }, (_, layer) => ({
    key: values(DECODER_IO.pastKey(layer)),
    value: values(DECODER_IO.pastValue(layer)),
  }));
}

/** Largest magnitude of an int8 value; −128 only occurs by rounding. */
export const LARGEST_STEP = 127;

/** Least range of a channel, relative to the largest range of its layer. */
const UNSEEN = 1e-3;

/**
 * Largest magnitudes in the KV cache, per layer, head and channel (abs-max calibration).
 *
 * The rotary embedding rotates channels i and i + headDim/2 of a key into each other, slowly for large i. So a magnitude
 * that a short prompt has in one of them appears in the other at a later position. Both channels therefore get the norm
 * of the pair, which does not depend on the position: ranges from short prompts hold for long ones.
 */
export class KvRanges {
  readonly #shape: CacheShape;
  readonly #layers: readonly KvScales[];

  constructor(shape: CacheShape) {
    this.#shape = shape;
    const width = shape.numKvHeads * shape.headDim;
    this.#layers = Array.from({ length: shape.numLayers }, () => ({
      key: new Float32Array(width),
      value: new Float32Array(width),
    }));
  }

  /** Observes the first `numTokens` positions of a sequence. */
  observe(contents: readonly LayerContents[], numTokens: number): void {
    const { numKvHeads, headDim } = this.#shape;
    for (const [layer, { key, value }] of contents.entries()) {
      const largest = this.#layers[layer]!;
      const headElements = key.length / numKvHeads;
      for (let head = 0; head < numKvHeads; head++) {
        const channels = { start: head * headDim, end: (head + 1) * headDim };
        const rows = { start: head * headElements, end: head * headElements + numTokens * headDim };
        widenPairs(largest.key.subarray(channels.start, channels.end), key, rows);
        widen(largest.value.subarray(channels.start, channels.end), value, rows);
      }
    }
  }

  /**
   * @param headroom largest magnitude that is not clipped, relative to the observed one; other text sometimes exceeds it
   * @returns the scales of every layer
   */
  scales(headroom: number): KvScales[] {
    const step = (ranges: Float32Array): Float32Array => {
      const least = UNSEEN * ranges.reduce((a, b) => Math.max(a, b), 0) || 1;
      return ranges.map((range) => (headroom * Math.max(range, least)) / LARGEST_STEP);
    };
    return this.#layers.map(({ key, value }) => ({ key: step(key), value: step(value) }));
  }
}

interface Extent {
  readonly start: number;
  readonly end: number;
}

/** @param largest float32 [headDim] @param values float32 rows of headDim */
function widen(largest: Float32Array, values: Float32Array, { start, end }: Extent): void {
  const width = largest.length;
  for (let row = start; row < end; row += width) {
    for (let channel = 0; channel < width; channel++) {
      const magnitude = Math.abs(values[row + channel]!);
      if (magnitude > largest[channel]!) largest[channel] = magnitude;
    }
  }
}

function widenPairs(largest: Float32Array, values: Float32Array, { start, end }: Extent): void {
  const half = largest.length / 2;
  for (let row = start; row < end; row += 2 * half) {
    for (let channel = 0; channel < half; channel++) {
      const length = Math.hypot(values[row + channel]!, values[row + channel + half]!);
      if (length <= largest[channel]!) continue;
      largest[channel] = length;
      largest[channel + half] = length;
    }
  }
}

/** Clipping in one layer. */
export interface LayerClipping {
  readonly layer: number;
  /** Share of the keys, and of the values, that are clipped. */
  readonly keys: number;
  readonly values: number;
  /** Largest magnitude ÷ largest representable magnitude, of keys or values; above 1 something is clipped. */
  readonly overshoot: number;
}

interface Count {
  clipped: number;
  total: number;
  overshoot: number;
}

/** Counts the keys and values that the scales clip, with the kernel's rounding. */
export class Clipping {
  readonly #shape: CacheShape;
  readonly #scales: readonly KvScales[];
  readonly #layers: readonly { readonly key: Count; readonly value: Count }[];

  constructor(shape: CacheShape, scales: readonly KvScales[]) {
    this.#shape = shape;
    this.#scales = scales;
    const none = (): Count => ({ clipped: 0, total: 0, overshoot: 0 });
    this.#layers = scales.map(() => ({ key: none(), value: none() }));
  }

  /** Observes the first `numTokens` positions of a sequence. */
  observe(contents: readonly LayerContents[], numTokens: number): void {
    for (const [layer, { key, value }] of contents.entries()) {
      const scales = this.#scales[layer]!;
      const counts = this.#layers[layer]!;
      this.#count(counts.key, { values: key, scales: scales.key, numTokens });
      this.#count(counts.value, { values: value, scales: scales.value, numTokens });
    }
  }

  result(): LayerClipping[] {
    const share = ({ clipped, total }: Count): number => (total === 0 ? 0 : clipped / total);
    return this.#layers.map(({ key, value }, layer) => ({
      layer,
      keys: share(key),
      values: share(value),
      overshoot: Math.max(key.overshoot, value.overshoot),
    }));
  }

  #count(
    count: Count,
    sequence: { values: Float32Array; scales: Float32Array; numTokens: number },
  ): void {
    const { values, scales, numTokens } = sequence;
    const { numKvHeads, headDim } = this.#shape;
    const headElements = values.length / numKvHeads;
    for (let head = 0; head < numKvHeads; head++) {
      for (let i = 0; i < numTokens * headDim; i++) {
        const scale = scales[head * headDim + (i % headDim)]!;
        const steps = Math.abs(values[head * headElements + i]!) / scale;
        if (steps >= LARGEST_STEP + 0.5) count.clipped += 1;
        if (steps > count.overshoot * LARGEST_STEP) count.overshoot = steps / LARGEST_STEP;
      }
    }
    count.total += numKvHeads * numTokens * headDim;
  }
}
