import { RuntimeError } from '../session.ts';
import type { OrtApi, Pointer } from './ort-api.ts';

/** A provider that computes on a device, and how it is set up. */
export interface Provider {
  readonly kind: 'webgpu' | 'cuda';
  /** Number of the device among the provider's. */
  readonly id: number;
  /** Most bytes one session may take on the device; null for all there are. CUDA only. */
  readonly memoryLimit: number | null;
}

/** Names of the providers' own memory in ONNX Runtime. */
export const MEMORY_NAMES = { webgpu: 'WebGPU_Buf', cuda: 'Cuda' } as const;

/** @throws RuntimeError when the provider is not there or does not take the settings */
export function appendProvider(api: OrtApi, sessionOptions: Pointer, provider: Provider): void {
  if (provider.kind === 'webgpu') {
    // Its only device is the one the system prefers: its numbers stand for devices that the caller has opened himself.
    if (provider.id !== 0 || provider.memoryLimit !== null) {
      throw new RuntimeError('WebGPU takes neither the number of a device nor a memory limit.');
    }
    api.call('SessionOptionsAppendExecutionProvider', sessionOptions, 'WebGPU', [], [], 0);
    return;
  }
  const settings = api.out('CreateCUDAProviderOptions');
  try {
    const entries = Object.entries(cudaSettings(provider));
    const [keys, values] = [entries.map(([key]) => key), entries.map(([, value]) => value)];
    api.call('UpdateCUDAProviderOptions', settings, keys, values, entries.length);
    api.call('SessionOptionsAppendExecutionProvider_CUDA_V2', sessionOptions, settings);
  } finally {
    api.do('ReleaseCUDAProviderOptions', settings);
  }
}

function cudaSettings({ id, memoryLimit }: Provider): Record<string, string> {
  return {
    device_id: String(id),
    // The cache is taken once, in pieces of its own size: nothing is to be rounded up to powers of two.
    arena_extend_strategy: 'kSameAsRequested',
    // Exhaustive search, the default, tries every algorithm for every new batch of tiles.
    cudnn_conv_algo_search: 'HEURISTIC',
    ...(memoryLimit === null ? {} : { gpu_mem_limit: String(memoryLimit) }),
  };
}
