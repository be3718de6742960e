import type { KvCache } from '../../../engine/runtime/kv-cache.ts';
import { DECODER_IO } from '../../../package/graph-io.ts';
import type { TextShape } from '../../../package/manifest.ts';

export type CacheShape = Pick<TextShape, 'numLayers' | 'numKvHeads' | 'headDim'>;

/** What one layer's cache holds of one sequence, float32 [numKvHeads, slotCapacity, headDim]. */
export interface LayerContents {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Keys (after norm and rotation) and values of the sequence in a slot, layer by layer; views, not copies. */
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
