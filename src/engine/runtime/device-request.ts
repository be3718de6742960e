/** Shared with config and cli, which must not load ONNX Runtime's bindings. */
export const DEVICE_PREFERENCES = ['auto', 'cpu', 'webgpu', 'cuda'] as const;

/** The device to compute on. */
export interface DeviceRequest {
  readonly preference: (typeof DEVICE_PREFERENCES)[number];
  /** Number of the CUDA device. */
  readonly id: number;
  /** Most bytes each graph may take on a CUDA device; null for no limit. */
  readonly memoryLimit: number | null;
}

export const ON_CPU: DeviceRequest = { preference: 'cpu', id: 0, memoryLimit: null };
