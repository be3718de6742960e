import type { KvScales } from '../../int8-kv-decoder.ts';
import type { CacheShape, LayerContents } from './cache-contents.ts';

/** Largest 8-bit number; −128 is left to rounding. */
export const LARGEST_STEP = 127;

/** Range of a channel in which nothing was ever seen, relative to the largest of its layer. */
const UNSEEN = 1e-3;

/**
 * The largest magnitudes seen in the cache, per layer, head and channel.
 *
 * A key's channels i and i + headDim/2 turn into each other with the position, slowly for the later ones: what lies in
 * one of them in a short prompt lies in the other in a long one. So both get the length of the pair, which no position
 * changes, and ranges seen in short prompts hold for long ones.
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

  /** Looks at the first positions of a sequence. */
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
   * @param headroom times the largest magnitude seen that still fits: text not seen here goes beyond it now and then
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

/** @param largest float32 [headDim], @param values rows of as many */
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
