/**
 * The seam between the engine and ONNX Runtime: tensors, sessions, devices, and the checks that every backend makes
 * before native code runs. Two backends implement it: the C API over FFI (primary, writes outputs in place) and the
 * onnxruntime-node binding (fallback and reference, copies outputs).
 */

/** Bytes of one element. */
const ELEMENT_BYTES = { float32: 4, float16: 2, int64: 8, int32: 4, uint8: 1, int8: 1 } as const;
export type ElementType = keyof typeof ELEMENT_BYTES;
export const ELEMENT_TYPES: readonly ElementType[] =
  Object.keys(ELEMENT_BYTES).filter(isElementType);

export function isElementType(type: string): type is ElementType {
  return Object.hasOwn(ELEMENT_BYTES, type);
}

/**
 * A tensor over memory of this process, which the caller owns. `data` is the exact extent of the tensor. float16
 * elements are given as their bits.
 */
export interface TensorView {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array | Int8Array;
}

/** Memory on a device, allocated by the backend that computes there. */
export interface DeviceBuffer {
  readonly numBytes: number;
  /** Address or handle, meaningful to the backend only. */
  readonly handle: bigint;
  /** Frees the memory. No run may be using it. */
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

/** Returns the bytes that a tensor's elements take. */
export function bytesOf({ type, dims }: Pick<Tensor, 'type' | 'dims'>): number {
  return dims.reduce((product, dim) => product * dim, 1) * ELEMENT_BYTES[type];
}

export interface SessionOptions {
  /** Threads inside one operator. */
  readonly numThreads: number;
  /**
   * Keeps the bindings of a run for the next one, for sessions whose tensors are mostly the same memory in every run (a
   * KV cache). The session then also keeps that memory alive. By default a session drops its bindings after every run.
   */
  readonly keepBindings?: boolean;
  /**
   * Puts the session's threads to sleep as soon as a run ends, for sessions whose runs are long and rare. They then take
   * no core from the sessions that run next. Waking them costs about 60 µs.
   */
  readonly restsBetweenRuns?: boolean;
}

export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Returns the element type of an input.
   * @throws RuntimeError when the graph has no such input, or none of an ElementType
   */
  inputType(name: string): ElementType;
  /**
   * Runs the graph. Writes every output named in `fetches` into the memory given there. The same memory may be a feed
   * and a fetch (a KV cache): it is then updated in place. On a device, tensors in this process' memory are copied to
   * and from the device, and tensors on the device stay there. Runs of one session must not overlap.
   *
   * An aborted `signal` ends the run early with an AbortError; the contents of the fetches are then undefined.
   * @throws RuntimeError when the tensors do not fit the graph, or the run fails
   */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches: Readonly<Record<string, Tensor>>,
    signal?: AbortSignal,
  ): Promise<void>;
  dispose(): Promise<void>;
}

/** A processor other than the CPU. */
export interface Device {
  readonly kind: 'webgpu' | 'cuda';
  /** Name for the operator, as far as it is known. */
  readonly description: string;
  /** Whether it computes in float16. */
  readonly hasFloat16: boolean;
  /** Most tokens of one sequence that it computes correctly in one run; Infinity when there is no such limit. */
  readonly longestRun: number;
  /** @throws RuntimeError when the device has not that much memory left */
  allocate(numBytes: number): DeviceBuffer;
}

export interface Backend {
  /** `ffi` writes in place; `node` copies every output. */
  readonly name: 'ffi' | 'node';
  /** ONNX Runtime's version string. */
  readonly version: string;
  /** The device of its sessions; null for the CPU. */
  readonly device: Device | null;
  /**
   * Opens a session. On CPUs whose U8S8 GEMM saturates, the session computes such products exactly (u8s8-saturation.ts).
   * @param model path of an .onnx file, or its bytes
   * @throws RuntimeError naming the file when the model cannot be loaded
   */
  createSession(model: string | Uint8Array, options: SessionOptions): Promise<Session>;
}

/** A failure inside ONNX Runtime or its binding; the message is the runtime's own. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}

/** Names a session's model in an error message. */
export function modelName(model: string | Uint8Array): string {
  return typeof model === 'string' ? model : "A graph of the server's own";
}

/**
 * Rejects a run whose tensors do not fit the graph: unknown or missing names, and memory larger or smaller than the
 * dims say.
 * @throws RuntimeError naming the tensor
 */
export function checkTensors(
  graph: Pick<Session, 'inputNames' | 'outputNames'>,
  feeds: Readonly<Record<string, Tensor>>,
  fetches: Readonly<Record<string, Tensor>>,
): void {
  for (const name of graph.inputNames) {
    if (!Object.hasOwn(feeds, name))
      throw new RuntimeError(`The graph's input "${name}" is missing.`);
  }
  for (const name in feeds) {
    if (!graph.inputNames.includes(name)) throw unknownName('input', name, graph.inputNames);
    checkExtent(name, feeds[name]!);
  }
  for (const name in fetches) {
    if (!graph.outputNames.includes(name)) throw unknownName('output', name, graph.outputNames);
    checkExtent(name, fetches[name]!);
  }
}

/** @throws RuntimeError when there is no such input, or its type is not an ElementType */
export function checkInputType(name: string, type: ElementType | undefined): ElementType {
  if (type !== undefined) return type;
  throw new RuntimeError(`The graph has no input "${name}" of ${ELEMENT_TYPES.join(', ')}.`);
}

/** Returns the error of an aborted run. The signal's own reason is its cause. */
export function abortError(signal: AbortSignal): DOMException {
  return new DOMException('The run was aborted.', { name: 'AbortError', cause: signal.reason });
}

function unknownName(kind: string, name: string, known: readonly string[]): RuntimeError {
  return new RuntimeError(`The graph has no ${kind} "${name}"; it has ${known.join(', ')}.`);
}

function checkExtent(name: string, tensor: Tensor): void {
  const expected = bytesOf(tensor);
  const actual = isOnDevice(tensor) ? tensor.buffer.numBytes : tensor.data.byteLength;
  if (isOnDevice(tensor) ? expected <= actual : expected === actual) return;
  throw new RuntimeError(
    `Tensor "${name}" is ${tensor.type} [${tensor.dims.join(', ')}], ${expected} bytes, ` +
      `but its memory has ${actual} bytes.`,
  );
}
