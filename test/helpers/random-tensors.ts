/**
 * Writes random bfloat16 checkpoints of any size, tensor by tensor, so that memory does not grow with the model.
 *
 * Weights are normal with deviation 1/√in, so activations stay finite. The text such a model generates is noise.
 */
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const SHARD_BYTES = 4e9;
const STRETCH = 2 ** 22;

export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly numElements: number;
}

/** @param shapes tensors by their names in the checkpoint */
export async function writeRandomTensors(
  dir: string,
  shapes: ReadonlyMap<string, readonly number[]>,
): Promise<{ readonly numParameters: number }> {
  const tensors = [...shapes].map(([name, shape]): Tensor => {
    const numElements = shape.reduce((product, dim) => product * dim, 1);
    return { name, shape, numElements };
  });
  const total = tensors.reduce((sum, tensor) => sum + tensor.numElements, 0);
  const shards = splitIntoShards(tensors);
  const weightMap: Record<string, string> = {};
  const bits = new NormalBits(1);
  for (const [i, shard] of shards.entries()) {
    const number = (value: number): string => String(value).padStart(5, '0');
    const file = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    await writeShard(join(dir, file), shard, bits);
    for (const { name } of shard) weightMap[name] = file;
    process.stdout.write(`${file}: ${shard.length} tensors\n`);
  }
  const index = { metadata: { total_size: total * 2 }, weight_map: weightMap };
  await writeJson(dir, 'model.safetensors.index.json', index);
  return { numParameters: total };
}

export async function writeJson(dir: string, file: string, value: unknown): Promise<void> {
  await writeFile(join(dir, file), JSON.stringify(value));
}

function splitIntoShards(tensors: readonly Tensor[]): Tensor[][] {
  const shards: Tensor[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    if (bytes + tensor.numElements * 2 > SHARD_BYTES) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)!.push(tensor);
    bytes += tensor.numElements * 2;
  }
  return shards;
}

async function writeShard(
  path: string,
  tensors: readonly Tensor[],
  bits: NormalBits,
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, shape, numElements } of tensors) {
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, offset + numElements * 2] };
    offset += numElements * 2;
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, ' '));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  const file = await open(path, 'w');
  try {
    await file.writeFile(Buffer.concat([prefix, json]));
    for (const tensor of tensors) await writeTensor(file, tensor, bits);
  } finally {
    await file.close();
  }
}

async function writeTensor(file: FileHandle, tensor: Tensor, bits: NormalBits): Promise<void> {
  const { mean, deviation } = distribution(tensor);
  for (let done = 0; done < tensor.numElements; done += STRETCH) {
    const values = bits.draw(Math.min(STRETCH, tensor.numElements - done), { mean, deviation });
    await file.writeFile(new Uint8Array(values.buffer));
  }
}

function distribution({ name, shape }: Tensor): { mean: number; deviation: number } {
  if (/norm\d?\.weight$/.test(name)) return { mean: 1, deviation: 0.05 };
  if (shape.length === 1) return { mean: 0, deviation: 0.02 };
  if (name.includes('embed')) return { mean: 0, deviation: 0.05 };
  return { mean: 0, deviation: 1 / Math.sqrt(shape.slice(1).reduce((a, b) => a * b, 1)) };
}

/** Draws bfloat16 bits from a table of normal values, two per number of a xorshift generator. */
class NormalBits {
  #state: number;
  readonly #normals: Float32Array;
  readonly #table = new Uint16Array(65_536);
  #tableKey = '';

  constructor(seed: number) {
    this.#state = seed;
    this.#normals = Float32Array.from({ length: 65_536 }, (_, i) => {
      const angle = 2 * Math.PI * ((i * 0.618_033_988_749_895) % 1);
      return Math.sqrt(-2 * Math.log((i + 0.5) / 65_536)) * Math.cos(angle);
    });
  }

  draw(count: number, { mean, deviation }: { mean: number; deviation: number }): Uint16Array {
    this.#fillTable(mean, deviation);
    const out = new Uint16Array(count);
    const table = this.#table;
    let state = this.#state;
    for (let i = 0; i < count; i += 2) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      out[i] = table[state & 0xffff]!;
      if (i + 1 < count) out[i + 1] = table[state >>> 16]!;
    }
    this.#state = state;
    return out;
  }

  #fillTable(mean: number, deviation: number): void {
    const key = `${mean} ${deviation}`;
    if (key === this.#tableKey) return;
    this.#tableKey = key;
    const bits = new Uint32Array(
      Float32Array.from(this.#normals, (normal) => mean + deviation * normal).buffer,
    );
    for (let i = 0; i < bits.length; i++) this.#table[i] = bits[i]! >>> 16;
  }
}
