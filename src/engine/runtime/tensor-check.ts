import { type ElementType, isOnDevice, RuntimeError, type Tensor } from './session.ts';

const ELEMENT_BYTES = { float32: 4, float16: 2, int64: 8, int32: 4, uint8: 1, int8: 1 } as const;
export const ELEMENT_TYPES: readonly ElementType[] =
  Object.keys(ELEMENT_BYTES).filter(isElementType);

export function isElementType(type: string): type is ElementType {
  return Object.hasOwn(ELEMENT_BYTES, type);
}

export interface GraphNames {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

/**
 * Refuses a run whose tensors do not fit before native code sees them: unknown or missing names, and memory that is
 * larger or smaller than the dims say.
 */
export function checkTensors(
  graph: GraphNames,
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

/** @throws RuntimeError when an input has none of the types that can be fed */
export function checkInputType(name: string, type: ElementType | undefined): ElementType {
  if (type !== undefined) return type;
  throw new RuntimeError(`The graph has no input "${name}" of ${ELEMENT_TYPES.join(', ')}.`);
}

function unknownName(kind: string, name: string, known: readonly string[]): RuntimeError {
  return new RuntimeError(`The graph has no ${kind} "${name}"; it has ${known.join(', ')}.`);
}

/** Bytes that the elements of a tensor take. */
export function bytesOf({ type, dims }: Pick<Tensor, 'type' | 'dims'>): number {
  return dims.reduce((product, dim) => product * dim, 1) * ELEMENT_BYTES[type];
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
