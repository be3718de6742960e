import type { KvCacheKind, Manifest } from '../../package/manifest.ts';
import { type Device, RuntimeError } from './session.ts';

interface Circumstances {
  /** null for the CPU. */
  readonly device: Device | null;
  readonly kvCache: KvCacheKind;
}

/**
 * On a device the graphs in float16, where it computes in it. WebGPU also runs the CPU's; CUDA's attention has no kernel
 * for their float32. An int8 KV cache has a decoder of its own, for the CPU.
 * @throws RuntimeError when the package has no graphs for what is asked
 */
export function graphsFor(
  { graphs, gpu, int8Kv }: Manifest,
  { device, kvCache }: Circumstances,
): Manifest['graphs'] {
  if (kvCache === 'int8') {
    if (device !== null)
      throw new RuntimeError(`An int8 KV cache is the CPU's, not ${device.kind}'s.`);
    if (int8Kv !== undefined) return { ...graphs, decoder: int8Kv.decoder };
    throw new RuntimeError('The package has no decoder graph for an int8 KV cache.');
  }
  if (device === null) return graphs;
  if (gpu !== undefined && device.hasFloat16) return gpu;
  if (device.kind === 'webgpu') return graphs;
  throw new RuntimeError(
    gpu === undefined
      ? 'The package has no float16 graphs, and CUDA has no attention in float32: convert the checkpoint again, as fp16, int8 or int4 and without --no-gpu.'
      : 'The CUDA device does not compute in float16.',
  );
}
