/**
 * The seam between the engine's tensors and ONNX Runtime. Two backends implement it: the C API over FFI (primary,
 * writes outputs in place) and onnxruntime-node's own binding (fallback and oracle, copies).
 */
export type ElementType = 'float32' | 'float16' | 'int64' | 'int32' | 'uint8' | 'int8';

/**
 * A tensor over memory the caller owns. `data` is the exact extent of the tensor (offset and length included); float16
 * elements are given as their bits.
 */
export interface TensorView {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array | Int8Array;
}

/** Memory on a device, taken from the backend that computes there. */
export interface DeviceBuffer {
  readonly numBytes: number;
  /** Address or handle, which only the backend understands. */
  readonly handle: bigint;
  /** Gives the memory back; no run may be using it. */
  release(): void;
}

/** A tensor over the first bytes of a buffer on the device. */
export interface DeviceTensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly buffer: DeviceBuffer;
}

export type Tensor = TensorView | DeviceTensor;

export function isOnDevice(tensor: Tensor): tensor is DeviceTensor {
  return 'buffer' in tensor;
}

export interface SessionOptions {
  /** Threads inside one operator. */
  readonly numThreads: number;
  /**
   * True where most tensors are the same memory from run to run (a KV cache): only what changed is bound again, and
   * the session keeps the last run's memory alive. False (default) lets go of it after every run.
   */
  readonly keepBindings?: boolean;
  /**
   * True where runs are long and far between: its threads sleep as soon as a run ends, so that they take no core from
   * the sessions that run next. Waking them costs some 60 µs.
   */
  readonly restsBetweenRuns?: boolean;
}

export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Element type of an input.
   * @throws RuntimeError when there is no such input, or no tensor of the types above can be fed to it
   */
  inputType(name: string): ElementType;
  /**
   * Runs the graph. Every output named in `fetches` is written into the memory given there; the same memory may be a
   * feed and a fetch (a KV cache), and then it is updated in place. On a device, what is fed from this process' memory
   * or fetched into it is copied, and what is on the device stays there. Calls on one session must not overlap.
   * An aborted `signal` ends the run early with an AbortError; the contents of the fetches are then undefined.
   * @throws RuntimeError when the graph refuses the feeds or fails.
   */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches: Readonly<Record<string, Tensor>>,
    signal?: AbortSignal,
  ): Promise<void>;
  dispose(): Promise<void>;
}

/** Where something other than the CPU computes. */
export interface Device {
  readonly kind: 'webgpu' | 'cuda';
  /** For the operator, as far as it is known: what kind of thing computes. */
  readonly description: string;
  /** Whether it computes in float16. */
  readonly hasFloat16: boolean;
  /** Most tokens of one sequence that it computes correctly in one run; Infinity where there is no such bound. */
  readonly longestRun: number;
  /** @throws RuntimeError when there is not that much memory left */
  allocate(numBytes: number): DeviceBuffer;
}

export interface Backend {
  /** `ffi` writes in place; `stock` copies every output. */
  readonly name: 'ffi' | 'node';
  /** ONNX Runtime's version string. */
  readonly version: string;
  /** Where its sessions compute; null for the CPU. */
  readonly device: Device | null;
  /**
   * Opens a session. On CPUs whose U8S8 GEMM saturates (u8s8-saturation.ts), it computes such products exactly.
   * @param model path of an .onnx file, or its bytes
   * @throws RuntimeError naming the file when the model cannot be loaded.
   */
  createSession(model: string | Uint8Array, options: SessionOptions): Promise<Session>;
}

/** What a session was made of, for an error's message. */
export function modelName(model: string | Uint8Array): string {
  return typeof model === 'string' ? model : "A graph of the server's own";
}

/** A failure inside ONNX Runtime or its binding; the message is the runtime's own. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}
