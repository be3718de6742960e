import type { TensorView } from '../session.ts';
import type { OrtApi, Pointer } from './ort-api.ts';
import { ELEMENT_TYPE_CODES } from './ort-functions.ts';

type Direction = 'input' | 'output';

/**
 * One direction of an ONNX Runtime IoBinding: which memory stands behind which name.
 *
 * Ownership: the native binding owns the native values (ours are released as soon as they are bound), and `#bound`
 * keeps the JavaScript memory behind each of them alive. There is one entry per name, so nothing can pile up.
 * Taking `tensor.data.buffer` also moves small typed arrays from V8's movable heap to fixed memory.
 */
export class TensorBindings {
  readonly #api: OrtApi;
  readonly #binding: Pointer;
  readonly #memoryInfo: Pointer;
  readonly #direction: Direction;
  readonly #bound = new Map<string, BoundTensor>();

  constructor(api: OrtApi, binding: Pointer, memoryInfo: Pointer, direction: Direction) {
    this.#api = api;
    this.#binding = binding;
    this.#memoryInfo = memoryInfo;
    this.#direction = direction;
  }

  /** Makes `tensors` the bound set; names that keep their memory, type and dims are left as they are. */
  set(tensors: Readonly<Record<string, TensorView>>): void {
    for (const name of this.#bound.keys()) {
      if (!Object.hasOwn(tensors, name)) {
        // The C API can only clear all names at once.
        this.clear();
        break;
      }
    }
    for (const name in tensors) {
      const tensor = tensors[name]!;
      if (!isSame(this.#bound.get(name), tensor)) this.#bind(name, tensor);
    }
  }

  clear(): void {
    if (this.#direction === 'input') this.#api.do('ClearBoundInputs', this.#binding);
    else this.#api.do('ClearBoundOutputs', this.#binding);
    this.#bound.clear();
  }

  #bind(name: string, tensor: TensorView): void {
    const { buffer, byteOffset, byteLength } = tensor.data;
    const dims = BigInt64Array.from(tensor.dims, BigInt);
    const value = this.#api.out(
      'CreateTensorWithDataAsOrtValue',
      this.#memoryInfo,
      tensor.data,
      byteLength,
      dims,
      dims.length,
      ELEMENT_TYPE_CODES[tensor.type],
    );
    try {
      const bind = this.#direction === 'input' ? 'BindInput' : 'BindOutput';
      this.#api.call(bind, this.#binding, name, value);
    } finally {
      this.#api.do('ReleaseValue', value);
    }
    this.#bound.set(name, {
      buffer,
      byteOffset,
      byteLength,
      type: tensor.type,
      dims: [...tensor.dims],
    });
  }
}

interface BoundTensor {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly type: TensorView['type'];
  readonly dims: readonly number[];
}

function isSame(bound: BoundTensor | undefined, tensor: TensorView): boolean {
  return (
    bound !== undefined &&
    bound.buffer === tensor.data.buffer &&
    bound.byteOffset === tensor.data.byteOffset &&
    bound.byteLength === tensor.data.byteLength &&
    bound.type === tensor.type &&
    bound.dims.length === tensor.dims.length &&
    bound.dims.every((dim, axis) => dim === tensor.dims[axis])
  );
}
