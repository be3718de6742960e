/**
 * Reads safetensors files lazily: the header once, ranges of tensors on demand.
 * Format: https://github.com/huggingface/safetensors (8-byte little-endian header length, JSON header, data).
 */
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { ConvertError } from '../convert-error.ts';
import { bfloat16ToFloat32, float16ToFloat32 } from '../weights/float-formats.ts';

/** Limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
export const BYTES_PER_ELEMENT = { F32: 4, F16: 2, BF16: 2 } as const;
export type StoredDtype = keyof typeof BYTES_PER_ELEMENT;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});

/** One tensor of an open checkpoint. */
export interface CheckpointTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly numElements: number;
  readonly bytes: number;
  /** Elements first … first + count − 1 of the flattened tensor, widened to float32. */
  read(first: number, count: number): Promise<Float32Array>;
}

export class SafetensorsFile {
  readonly tensors: readonly CheckpointTensor[];
  readonly #file: FileHandle;

  private constructor(file: FileHandle, tensors: readonly CheckpointTensor[]) {
    this.#file = file;
    this.tensors = tensors;
  }

  /** @throws ConvertError that names the file, and the tensor if one is at fault */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await open(path, 'r');
    try {
      return new SafetensorsFile(file, await readHeader(file, basename(path)));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function readHeader(file: FileHandle, label: string): Promise<CheckpointTensor[]> {
  const { size } = await file.stat();
  const prefix = await readExactly(file, 0, Math.min(8, size));
  const headerBytes = size < 8 ? -1 : Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes < 2 || headerBytes > Math.min(MAX_HEADER_BYTES, size - 8)) {
    throw new ConvertError(
      `${label} is not a safetensors file: its header length is ${headerBytes} in ${size} bytes.`,
    );
  }
  const text = new TextDecoder().decode(await readExactly(file, 8, headerBytes));
  const header = parseHeader(text, label);
  const dataStart = 8 + headerBytes;
  const dataBytes = size - dataStart;
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  const found = entries.map(([name, entry]) => {
    const checked = checkEntry(name, entry, { label, dataBytes });
    return { ...checked, begin: checked.begin + dataStart };
  });
  checkOverlaps(found, label);
  return found.map(({ name, dtype, shape, begin, bytes }) => {
    const width = BYTES_PER_ELEMENT[dtype];
    return {
      name,
      dtype,
      shape,
      bytes,
      numElements: bytes / width,
      read: async (first, count) =>
        widen(dtype, await readExactly(file, begin + first * width, count * width)),
    };
  });
}

function parseHeader(text: string, label: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    throw new ConvertError(`${label} is not a safetensors file: its header is not a JSON object.`);
  }
}

interface Placed {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly bytes: number;
}

function checkEntry(
  name: string,
  entry: unknown,
  { label, dataBytes }: { label: string; dataBytes: number },
): Placed {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success)
    throw new ConvertError(`${label}: the header entry of ${name} is malformed.`);
  const { dtype, shape, data_offsets } = parsed.data;
  if (!isStoredDtype(dtype)) {
    throw new ConvertError(`${label}: ${name} is stored as ${dtype}; expected F32, F16 or BF16.`);
  }
  const [begin, end] = data_offsets;
  const bytes = shape.reduce((product, dim) => product * dim, 1) * BYTES_PER_ELEMENT[dtype];
  if (end < begin || end > dataBytes) {
    throw new ConvertError(
      `${label}: ${name} lies at ${begin}..${end}, outside the ${dataBytes} bytes of data (is the file cut short?).`,
    );
  }
  if (end - begin !== bytes) {
    throw new ConvertError(
      `${label}: ${name} takes ${end - begin} bytes; its shape [${shape.join(', ')}] in ${dtype} needs ${bytes}.`,
    );
  }
  return { name, dtype, shape, begin, bytes };
}

function checkOverlaps(tensors: readonly Placed[], label: string): void {
  const sorted = tensors.filter((tensor) => tensor.bytes > 0).sort((a, b) => a.begin - b.begin);
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1]!, sorted[i]!];
    if (after.begin < before.begin + before.bytes) {
      throw new ConvertError(`${label}: ${before.name} and ${after.name} overlap.`);
    }
  }
}

function isStoredDtype(dtype: string): dtype is StoredDtype {
  return Object.hasOwn(BYTES_PER_ELEMENT, dtype);
}

async function readExactly(
  file: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0)
      throw new ConvertError(`A file ended at ${position + done}; more was expected.`);
    done += bytesRead;
  }
  return bytes;
}

function widen(dtype: StoredDtype, bytes: Uint8Array): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes.buffer);
  const bits = new Uint16Array(bytes.buffer);
  const out = new Float32Array(bits.length);
  if (dtype === 'BF16') bfloat16ToFloat32(bits, out);
  else float16ToFloat32(bits, out);
  return out;
}
