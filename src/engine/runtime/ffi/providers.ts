import { RuntimeError } from '../session.ts';
import type { OrtApi, Pointer } from './ort-api.ts';

/** An execution provider for a device, and its settings. */
export interface Provider {
  readonly kind: 'webgpu' | 'cuda';
  /** Number of the device. */
  readonly id: number;
  /** Most bytes that one session may allocate on the device; null for no limit. CUDA only. */
  readonly memoryLimit: number | null;
}

/** Names that ONNX Runtime gives the providers' memory. */
export const MEMORY_NAMES = { webgpu: 'WebGPU_Buf', cuda: 'Cuda' } as const;

/**
 * Makes sessions compute on a device.
 * @throws RuntimeError when the provider is not installed or rejects the settings
 */
export function appendProvider(api: OrtApi, sessionOptions: Pointer, provider: Provider): void {
  if (provider.kind === 'webgpu') {
    // The provider computes on the device that the system prefers. Its device numbers are those of devices that the
    // caller has opened.
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
    // The KV cache is allocated once. Its tensors need no rounding up to powers of two.
    arena_extend_strategy: 'kSameAsRequested',
    // The default, an exhaustive search, tries every algorithm for every new batch of tiles.
    cudnn_conv_algo_search: 'HEURISTIC',
    ...(memoryLimit === null ? {} : { gpu_mem_limit: String(memoryLimit) }),
  };
}
