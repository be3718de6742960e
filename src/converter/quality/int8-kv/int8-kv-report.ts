import type { DecisionShifts } from '../replay/decision-shifts.ts';
import type { LogitDistance } from '../replay/logit-distances.ts';
import type { CacheShape } from './cache-contents.ts';
import type { LayerClipping } from './clipping.ts';

/** Bytes that the keys and values of 1,000 tokens take, all layers together. */
export interface CacheMemory {
  readonly fp32: number;
  readonly int8: number;
}

export interface Int8KvReport {
  /** The model's. */
  readonly name: string;
  /** The graphs that were added. */
  readonly files: readonly string[];
  readonly headroom: number;
  /** Prompts the scales were chosen on, and those all figures below are of. */
  readonly numCalibrated: number;
  readonly numMeasured: number;
  readonly logits: LogitDistance;
  /** null where the model has no choice that can be measured. */
  readonly decisions: DecisionShifts | null;
  readonly layers: readonly LayerClipping[];
  readonly memory: CacheMemory;
}

export function cacheMemory({ numLayers, numKvHeads, headDim }: CacheShape): CacheMemory {
  const elements = 1000 * numLayers * 2 * numKvHeads * headDim;
  return { fp32: elements * Float32Array.BYTES_PER_ELEMENT, int8: elements };
}
