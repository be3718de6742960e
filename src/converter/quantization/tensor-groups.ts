/**
 * Forms in which a checkpoint tensor is written into a data file. Each form streams the tensor in chunks of rows. Only the
 * transposed forms hold a whole tensor in memory (100 MB for the largest linear of a 4B model).
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointTensor } from '../checkpoint/safetensors.ts';
import { ConvertError } from '../convert-error.ts';
import type { StoredTensor, TensorGroup } from '../weights/data-file.ts';
import { float16ToFloat32, float32ToFloat16 } from '../weights/float-formats.ts';
import {
  type BlockFormat,
  dequantizeRows,
  quantizedSize,
  quantizeRows,
} from './block-quantizer.ts';
import { dequantizeWholeRows, quantizeWholeRows } from './channel-quantizer.ts';
import { ErrorMeter, type ErrorSink } from './storage-error.ts';

/** Elements in memory at once. */
const STRETCH = 2 ** 21;

/** Computed values, such as rotary tables. */
export function computedGroup(
  label: string,
  values: Float32Array,
  type: 'float32' | 'float16',
): TensorGroup {
  const stored = type === 'float32' ? values : halvesOf(values);
  return {
    label,
    sourceBytes: 0,
    sizes: [stored.byteLength],
    produce: () => [bytesOf(stored)],
  };
}

/** A float32 tensor of an earlier data file, in half precision. */
export function narrowedGroup(label: string, { file, offset, bytes }: StoredTensor): TensorGroup {
  return {
    label,
    sourceBytes: 0,
    sizes: [bytes / 2],
    async *produce(dir) {
      const handle = await open(join(dir, file));
      try {
        for (let at = 0; at < bytes; at += STRETCH * 4) {
          const values = new Float32Array(Math.min(STRETCH, (bytes - at) / 4));
          const { bytesRead } = await handle.read(bytesOf(values), { position: offset + at });
          if (bytesRead !== values.byteLength) throw new Error(`${file} ends within ${label}.`);
          yield bytesOf(halvesOf(values));
        }
      } finally {
        await handle.close();
      }
    },
  };
}

/** The tensor as float32, not transposed. Exact for every checkpoint type. */
export function float32Group(tensor: CheckpointTensor): TensorGroup {
  return {
    label: tensor.name,
    sourceBytes: tensor.bytes,
    sizes: [tensor.numElements * 4],
    async *produce() {
      for await (const { weights } of stretches(tensor)) yield bytesOf(weights);
    },
  };
}

/** A [rows, columns] tensor as float32 [columns, rows]. */
export function transposedFloat32Group(tensor: CheckpointTensor): TensorGroup {
  return {
    label: tensor.name,
    sourceBytes: tensor.bytes,
    sizes: [tensor.numElements * 4],
    async *produce() {
      const out = new Float32Array(tensor.numElements);
      const [rows, columns] = matrixShape(tensor);
      for await (const { weights, first } of stretches(tensor)) {
        transposeInto(out, weights, { rows, columns, firstRow: first / columns });
      }
      yield* pieces(bytesOf(out));
    },
  };
}

/** The tensor in half precision, optionally transposed. */
export function float16Group(
  tensor: CheckpointTensor,
  { transposed, onError }: { transposed: boolean; onError: ErrorSink },
): TensorGroup {
  return {
    label: tensor.name,
    sourceBytes: tensor.bytes,
    sizes: [tensor.numElements * 2],
    async *produce() {
      const meter = new ErrorMeter(tensor.name, 'fp16');
      const [rows, columns] = transposed ? matrixShape(tensor) : [1, tensor.numElements];
      const whole = transposed ? new Uint16Array(tensor.numElements) : undefined;
      for await (const { weights, first } of stretches(tensor)) {
        const halves = new Uint16Array(weights.length);
        meter.overflows += float32ToFloat16(weights, halves);
        const back = new Float32Array(weights.length);
        float16ToFloat32(halves, back);
        meter.add(weights, back);
        if (whole) transposeInto(whole, halves, { rows, columns, firstRow: first / columns });
        else yield bytesOf(halves);
      }
      if (whole) yield* pieces(bytesOf(whole));
      onError(meter.result());
    },
  };
}

/** A [rows, columns] tensor in quantised blocks, followed by their scales. */
export function quantizedGroup(
  tensor: CheckpointTensor,
  { format, onError }: { format: BlockFormat; onError: ErrorSink | undefined },
): TensorGroup {
  const [rows, columns] = matrixShape(tensor);
  const { valueBytes, numScales } = quantizedSize(rows, columns, format);
  return {
    label: tensor.name,
    sourceBytes: tensor.bytes,
    sizes: [valueBytes, numScales * 4],
    async *produce() {
      const meter = onError && new ErrorMeter(tensor.name, format.bits === 4 ? 'int4' : 'int8');
      const scales = new Float32Array(numScales);
      let numDone = 0;
      for await (const { weights } of stretches(tensor)) {
        const quantized = quantizeRows(weights, columns, format);
        scales.set(quantized.scales, numDone);
        numDone += quantized.scales.length;
        meter?.add(weights, dequantizeRows(quantized, columns, format));
        yield quantized.values;
      }
      yield* pieces(bytesOf(scales));
      if (meter) onError(meter.result());
    },
  };
}

/** A [rows, columns] tensor as int8 [columns, rows], followed by a scale per row. */
export function int8ColumnsGroup(
  tensor: CheckpointTensor,
  { onError }: { onError: ErrorSink | undefined },
): TensorGroup {
  const [rows, columns] = matrixShape(tensor);
  return {
    label: tensor.name,
    sourceBytes: tensor.bytes,
    sizes: [tensor.numElements, rows * 4],
    async *produce() {
      const meter = onError && new ErrorMeter(tensor.name, 'int8');
      const out = new Int8Array(tensor.numElements);
      const scales = new Float32Array(rows);
      for await (const { weights, first } of stretches(tensor)) {
        const quantized = quantizeWholeRows(weights, columns);
        scales.set(quantized.scales, first / columns);
        transposeInto(out, quantized.values, { rows, columns, firstRow: first / columns });
        meter?.add(weights, dequantizeWholeRows(quantized, columns));
      }
      yield* pieces(bytesOf(out));
      yield* pieces(bytesOf(scales));
      if (meter) onError(meter.result());
    },
  };
}

interface Stretch {
  readonly weights: Float32Array;
  /** Position of the first element in the flattened tensor. */
  readonly first: number;
}

/** Reads a matrix in chunks of whole rows, any other tensor in chunks of elements. */
async function* stretches(tensor: CheckpointTensor): AsyncGenerator<Stretch> {
  const columns = tensor.shape.length === 2 ? tensor.shape[1]! : 1;
  const step = Math.max(1, Math.floor(STRETCH / columns)) * columns;
  for (let first = 0; first < tensor.numElements; first += step) {
    const count = Math.min(step, tensor.numElements - first);
    const weights = await tensor.read(first, count);
    rejectNonFinite(tensor.name, weights, first);
    yield { weights, first };
  }
}

/** Rejects a damaged checkpoint, which would become a model that writes nonsense. */
function rejectNonFinite(name: string, weights: Float32Array, first: number): void {
  let check = 0;
  // value · 0 is zero for finite values and NaN for all others, and a sum with NaN is NaN.
  for (let i = 0; i < weights.length; i++) check += weights[i]! * 0;
  if (check === 0) return;
  const at = weights.findIndex((weight) => !Number.isFinite(weight));
  throw new ConvertError(`${name} holds ${weights[at]} at element ${first + at}.`);
}

function matrixShape(tensor: CheckpointTensor): readonly [number, number] {
  const [rows, columns] = tensor.shape;
  if (rows === undefined || columns === undefined || tensor.shape.length !== 2) {
    throw new Error(`${tensor.name} is not a matrix.`);
  }
  return [rows, columns];
}

function transposeInto<T extends Float32Array | Uint16Array | Int8Array>(
  out: T,
  part: T,
  { rows, columns, firstRow }: { rows: number; columns: number; firstRow: number },
): void {
  const numRows = part.length / columns;
  // Sixteen rows at a time: each output row then receives a full cache line.
  for (let band = 0; band < numRows; band += 16) {
    const bandEnd = Math.min(band + 16, numRows);
    for (let column = 0; column < columns; column++) {
      const target = column * rows + firstRow;
      for (let row = band; row < bandEnd; row++) out[target + row] = part[row * columns + column]!;
    }
  }
}

function halvesOf(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  float32ToFloat16(values, halves);
  return halves;
}

function bytesOf(values: Float32Array | Uint16Array | Int8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  const size = STRETCH * 4;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
