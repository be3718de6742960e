import { encodeModel, plainNode } from '../../onnx/model-proto.ts';
import type { CacheElementType } from './kv-cache.ts';
import type { Backend, DeviceTensor, Session, TensorView } from './session.ts';

/** Dims of one slot of the cache, and how many tensors the cache has. */
export interface MoverShape {
  readonly numTensors: number;
  readonly numKvHeads: number;
  readonly slotCapacity: number;
  readonly headDim: number;
  readonly elementType: Exclude<CacheElementType, 'int8'>;
}

/** Some of a cache's memory: every tensor is [slots, numKvHeads, slotCapacity, headDim]. */
export type CacheMemory = readonly DeviceTensor[];

export interface CacheMove {
  readonly from: CacheMemory;
  readonly fromSlot: number;
  readonly to: CacheMemory;
  readonly toSlot: number;
  /** The positions moved are the first of the slot. */
  readonly numTokens: number;
}

/**
 * Copies the beginning of a slot to another slot inside a device's memory, for all layers in one run. Memory there has
 * no addresses to count with, so the copy is a graph: the source's rows are cut out (Slice) and scattered over the slot
 * they are for (ScatterElements along the slots, axis 0, its default; every index the same). The scattered tensor's output is bound over its
 * input, which both providers take as leave to write in place: what is not moved is not touched.
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
