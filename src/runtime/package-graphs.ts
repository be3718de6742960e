import type { Manifest } from '../model-package/manifest.ts';
import { type Device, RuntimeError } from './session.ts';

/**
 * The graphs in float16 where the device computes in it. WebGPU also runs the CPU's; CUDA's attention has no kernel for
 * their float32.
 */
export function graphsFor({ graphs, gpu }: Manifest, device: Device | null): Manifest['graphs'] {
  if (device === null) return graphs;
  if (gpu !== undefined && device.hasFloat16) return gpu;
  if (device.kind === 'webgpu') return graphs;
  throw new RuntimeError(
    gpu === undefined
      ? 'The package has no float16 graphs, and CUDA has no attention in float32: convert the checkpoint again, as fp16, int8 or int4 and without --no-gpu.'
      : 'The CUDA device does not compute in float16.',
  );
}
