import { DATA_TYPES } from '../../../onnx/model-proto.ts';
import { isOnDevice, type Tensor } from '../session.ts';
import type { OrtApi, Pointer } from './ort-api.ts';

type Direction = 'input' | 'output';

/** The kinds of memory that tensors may lie in. */
export interface MemoryInfos {
  readonly cpu: Pointer;
  /** null when sessions compute on the CPU. */
  readonly device: Pointer | null;
}

/**
 * The inputs or the outputs of an ONNX Runtime IoBinding: the memory behind each name.
 *
 * Ownership: the native binding owns the native values (this class releases its own as soon as they are bound), and
 * `#bound` keeps the JavaScript memory behind them alive. There is one entry per name, so the map cannot grow. Reading
 * `tensor.data.buffer` also moves a small typed array from V8's movable heap to fixed memory.
 */
export class TensorBindings {
  readonly #api: OrtApi;
  readonly #binding: Pointer;
  readonly #memory: MemoryInfos;
  readonly #direction: Direction;
  readonly #bound = new Map<string, BoundTensor>();

  constructor(api: OrtApi, binding: Pointer, memory: MemoryInfos, direction: Direction) {
    this.#api = api;
    this.#binding = binding;
    this.#memory = memory;
    this.#direction = direction;
  }

  /**
   * Binds exactly `tensors`. A name whose memory, type and dims have not changed stays bound. A device's input in this
   * process' memory is always bound again, because binding copies it to the device.
   */
  set(tensors: Readonly<Record<string, Tensor>>): void {
    for (const name of this.#bound.keys()) {
      if (!Object.hasOwn(tensors, name)) {
        // The C API can only clear all names at once.
        this.clear();
        break;
      }
    }
    for (const name in tensors) {
      const tensor = tensors[name]!;
      const isCopied =
        this.#memory.device !== null && this.#direction === 'input' && !isOnDevice(tensor);
      if (isCopied || !isSame(this.#bound.get(name), tensor)) this.#bind(name, tensor);
    }
  }

  clear(): void {
    if (this.#direction === 'input') this.#api.do('ClearBoundInputs', this.#binding);
    else this.#api.do('ClearBoundOutputs', this.#binding);
    this.#bound.clear();
  }

  #bind(name: string, tensor: Tensor): void {
    const bound = boundTensor(tensor);
    const dims = BigInt64Array.from(tensor.dims, BigInt);
    const value = this.#api.out(
      'CreateTensorWithDataAsOrtValue',
      isOnDevice(tensor) ? this.#memory.device : this.#memory.cpu,
      isOnDevice(tensor) ? tensor.buffer.handle : tensor.data,
      bound.byteLength,
      dims,
      dims.length,
      DATA_TYPES[tensor.type],
    );
    try {
      const bind = this.#direction === 'input' ? 'BindInput' : 'BindOutput';
      this.#api.call(bind, this.#binding, name, value);
    } finally {
      this.#api.do('ReleaseValue', value);
    }
    this.#bound.set(name, bound);
  }
}

interface BoundTensor {
  /** Keeps the memory alive. */
  readonly owner: object;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly type: Tensor['type'];
  readonly dims: readonly number[];
}

function boundTensor(tensor: Tensor): BoundTensor {
  const { type, dims } = tensor;
  if (isOnDevice(tensor)) {
    const { buffer } = tensor;
    return { owner: buffer, byteOffset: 0, byteLength: buffer.numBytes, type, dims: [...dims] };
  }
  const { buffer, byteOffset, byteLength } = tensor.data;
  return { owner: buffer, byteOffset, byteLength, type, dims: [...dims] };
}

function isSame(bound: BoundTensor | undefined, tensor: Tensor): boolean {
  if (bound === undefined) return false;
  const { owner, byteOffset, byteLength } = boundTensor(tensor);
  return (
    bound.owner === owner &&
    bound.byteOffset === byteOffset &&
    bound.byteLength === byteLength &&
    bound.type === tensor.type &&
    bound.dims.length === tensor.dims.length &&
    bound.dims.every((dim, axis) => dim === tensor.dims[axis])
  );
}
