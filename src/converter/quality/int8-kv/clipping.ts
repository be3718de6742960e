import type { KvScales } from '../../int8-kv-decoder.ts';
import type { CacheShape, LayerContents } from './cache-contents.ts';
import { LARGEST_STEP } from './kv-ranges.ts';

/** Values of one layer that 8 bits cannot hold. */
export interface LayerClipping {
  readonly layer: number;
  /** Share of the keys and of the values that are cut to the largest number. */
  readonly keys: number;
  readonly values: number;
  /** Largest magnitude ÷ the largest that fits, of either; above 1 something was cut. */
  readonly overshoot: number;
}

interface Count {
  clipped: number;
  total: number;
  overshoot: number;
}

/** Counts what the scales cut off, as the kernel rounds it. */
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

  /** Looks at the first positions of a sequence. */
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
