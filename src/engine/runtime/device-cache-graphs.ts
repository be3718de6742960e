/**
 * The two graphs that a KV cache in a device's memory needs: one fills tensors with zeros, one copies the beginning of a
 * slot. That memory has no addresses to count with, so every change of it is a graph.
 */
import { encodeModel, plainNode } from '../../onnx/model-proto.ts';
import type { CacheElementType } from './kv-cache.ts';
import {
  type Backend,
  bytesOf,
  type DeviceTensor,
  type Session,
  type TensorView,
} from './session.ts';

export type DeviceElementType = Exclude<CacheElementType, 'int8'>;

/** Fills tensors of one type on a device with zeros. Allocated memory holds what its last user left there. */
export async function zeroTensors(
  backend: Backend,
  type: DeviceElementType,
  tensors: readonly DeviceTensor[],
): Promise<void> {
  const session = await backend.createSession(fillModel(type), { numThreads: 1 });
  try {
    for (const tensor of tensors) {
      await session.run({ dims: int64s(tensor.dims) }, { zeros: tensor });
    }
  } finally {
    await session.dispose();
  }
}

/** Dims of one slot of the cache, and the number of the cache's tensors. */
export interface MoverShape {
  readonly numTensors: number;
  readonly numKvHeads: number;
  readonly slotCapacity: number;
  readonly headDim: number;
  readonly elementType: DeviceElementType;
}

/** A part of the cache's memory: tensors of [slots, numKvHeads, slotCapacity, headDim] each. */
export type CacheMemory = readonly DeviceTensor[];

export interface CacheMove {
  readonly from: CacheMemory;
  readonly fromSlot: number;
  readonly to: CacheMemory;
  readonly toSlot: number;
  /** Moves this many positions, from the first on. */
  readonly numTokens: number;
}

/**
 * Copies the beginning of a slot to another slot within a device's memory, for all layers in one run. The graph slices
 * the source's rows out and scatters them over the target slot: ScatterElements along axis 0, every index the same. Its
 * output is bound over its input. Both providers then write in place, so what is not moved stays untouched.
 *
 * ScatterND would need less index memory, but WebGPU's writes from a single thread where index tuples share a number.
 */
export class CacheMover {
  readonly #session: Session;
  readonly #shape: MoverShape;

  private constructor(session: Session, shape: MoverShape) {
    this.#session = session;
    this.#shape = shape;
  }

  static async open(backend: Backend, shape: MoverShape): Promise<CacheMover> {
    const session = await backend.createSession(moverModel(shape), {
      numThreads: 1,
      keepBindings: true,
    });
    return new CacheMover(session, shape);
  }

  async move({ from, fromSlot, to, toSlot, numTokens }: CacheMove): Promise<void> {
    if (numTokens === 0) return;
    const { numKvHeads, headDim } = this.#shape;
    const feeds: Record<string, DeviceTensor | TensorView> = {
      starts: int64s([fromSlot, 0, 0, 0]),
      ends: int64s([fromSlot + 1, numKvHeads, numTokens, headDim]),
      extent: int64s([1, numKvHeads, numTokens, headDim]),
      slot: { type: 'int32', dims: [1], data: new Int32Array(new ArrayBuffer(4)).fill(toSlot) },
    };
    const fetches: Record<string, DeviceTensor> = {};
    for (const [index, target] of to.entries()) {
      feeds[`source.${index}`] = from[index]!;
      feeds[`target.${index}`] = target;
      fetches[`moved.${index}`] = target;
    }
    await this.#session.run(feeds, fetches);
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}

function int64s(values: readonly number[]): TensorView {
  return { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) };
}

function fillModel(type: DeviceElementType): Uint8Array {
  const raw = new Uint8Array(bytesOf({ type, dims: [] }));
  return encodeModel(
    {
      name: 'fill',
      nodes: [plainNode('Expand', ['zero', 'dims'], 'zeros')],
      initializers: [{ name: 'zero', type, dims: [], data: { raw } }],
      inputs: [{ name: 'dims', type: 'int64', dims: ['rank'] }],
      outputs: [{ name: 'zeros', type, dims: ['a', 'b', 'c', 'd'] }],
    },
    'thinkgate',
  );
}

function moverModel(shape: MoverShape): Uint8Array {
  const { numTensors, numKvHeads, slotCapacity, headDim, elementType } = shape;
  const indices = Array.from({ length: numTensors }, (_, index) => index);
  const slotDims = [numKvHeads, slotCapacity, headDim];
  const tensors = (name: string, slots: string) =>
    indices.map((index) => ({
      name: `${name}.${index}`,
      type: elementType,
      dims: [slots, ...slotDims],
    }));
  return encodeModel(
    {
      name: 'move',
      nodes: [
        plainNode('Expand', ['slot', 'extent'], 'slots'),
        ...indices.flatMap((index) => [
          plainNode('Slice', [`source.${index}`, 'starts', 'ends'], `rows.${index}`),
          plainNode(
            'ScatterElements',
            [`target.${index}`, 'slots', `rows.${index}`],
            `moved.${index}`,
          ),
        ]),
      ],
      initializers: [],
      inputs: [
        { name: 'starts', type: 'int64', dims: [4] },
        { name: 'ends', type: 'int64', dims: [4] },
        { name: 'extent', type: 'int64', dims: [4] },
        { name: 'slot', type: 'int32', dims: [1] },
        ...tensors('source', 'from'),
        ...tensors('target', 'to'),
      ],
      outputs: tensors('moved', 'to'),
    },
    'thinkgate',
  );
}
