export const DEVICE_PREFERENCES = ['auto', 'cpu', 'webgpu', 'cuda'] as const;

/** What is asked to compute. */
export interface DeviceRequest {
  readonly preference: (typeof DEVICE_PREFERENCES)[number];
  /** Which of CUDA's devices. */
  readonly id: number;
  /** Most bytes each graph may take on a CUDA device; null for as many as there are. */
  readonly memoryLimit: number | null;
}

export const ON_CPU: DeviceRequest = { preference: 'cpu', id: 0, memoryLimit: null };
