/**
 * A random model in GGUF, for llama.cpp: Qwen3's shapes, matrices in Q4_0 (blocks of 32 four-bit weights with a half
 * precision scale, 4.5 bits a weight, beside 5 in ours), norms in float32, the embedding tied to the head.
 * Layout: github.com/ggml-org/ggml/blob/master/docs/gguf.md.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { EOS, QWEN3_TOKENIZER, type qwenConfig } from './qwen-shape.ts';

type Config = ReturnType<typeof qwenConfig>;

const ALIGNMENT = 32;
const TYPES = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;
const F32 = 0;
const Q4_0 = 2;
const BLOCK = 32;
const BLOCK_BYTES = 18;
const NORMAL_TOKEN = 1;
const CONTROL_TOKEN = 3;
const UNUSED_TOKEN = 5;

interface TensorInfo {
  readonly name: string;
  /** Innermost first. */
  readonly dims: readonly number[];
}

export async function writeGguf(path: string, config: Config): Promise<void> {
  const tensors = tensorsOf(config);
  const out = new Bytes();
  const fields = await metadata(config);
  out.text('GGUF', false).uint32(3).uint64(tensors.length).uint64(fields.length);
  for (const field of fields) field(out);
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dims } = tensor;
    out.text(name).uint32(dims.length);
    for (const dim of dims) out.uint64(dim);
    out.uint32(dims.length === 1 ? F32 : Q4_0).uint64(offset);
    offset = align(offset + bytesOf(tensor));
  }
  const file = await open(path, 'w');
  try {
    await file.writeFile(padded(out.take()));
    for (const tensor of tensors) await writeTensor(file, tensor);
  } finally {
    await file.close();
  }
}

function tensorsOf(config: Config): TensorInfo[] {
  const { hidden_size: hidden, intermediate_size: inner, head_dim: head } = config;
  const queries = config.num_attention_heads * head;
  const keys = config.num_key_value_heads * head;
  const layer = (index: number): TensorInfo[] =>
    (
      [
        ['attn_norm', [hidden]],
        ['attn_q', [hidden, queries]],
        ['attn_k', [hidden, keys]],
        ['attn_v', [hidden, keys]],
        ['attn_q_norm', [head]],
        ['attn_k_norm', [head]],
        ['attn_output', [queries, hidden]],
        ['ffn_norm', [hidden]],
        ['ffn_gate', [hidden, inner]],
        ['ffn_up', [hidden, inner]],
        ['ffn_down', [inner, hidden]],
      ] as const
    ).map(([name, dims]) => ({ name: `blk.${index}.${name}.weight`, dims }));
  return [
    { name: 'token_embd.weight', dims: [hidden, config.vocab_size] },
    { name: 'output_norm.weight', dims: [hidden] },
    ...Array.from({ length: config.num_hidden_layers }, (_, index) => layer(index)).flat(),
  ];
}

function bytesOf({ dims }: TensorInfo): number {
  const elements = dims.reduce((product, dim) => product * dim, 1);
  return dims.length === 1 ? elements * 4 : (elements / BLOCK) * BLOCK_BYTES;
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(align(bytes.length));
  out.set(bytes);
  return out;
}

async function writeTensor(file: FileHandle, tensor: TensorInfo): Promise<void> {
  const bytes = new Uint8Array(align(bytesOf(tensor)));
  if (tensor.dims.length === 1) {
    new Float32Array(bytes.buffer).fill(1);
  } else {
    // Four-bit weights have a deviation of 4.6 steps: scaled so, activations neither grow nor vanish.
    const scale = halfBits(1 / (4.6 * Math.sqrt(tensor.dims[0] ?? 1)));
    let state = 1 + tensor.name.length;
    for (let at = 0; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
      bytes[at] = scale & 0xff;
      bytes[at + 1] = scale >>> 8;
      for (let i = 2; i < BLOCK_BYTES; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        bytes[at + i] = state & 0xff;
      }
    }
  }
  await file.writeFile(bytes);
}

/** Half precision of a positive normal number, cut off. */
function halfBits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
  return ((((bits >>> 23) & 0xff) - 127 + 15) << 10) | ((bits >>> 13) & 0x3ff);
}

type Field = (out: Bytes) => void;

async function metadata(config: Config): Promise<Field[]> {
  const text =
    (key: string, value: string): Field =>
    (out) =>
      void out.text(key).uint32(TYPES.string).text(value);
  const whole =
    (key: string, value: number): Field =>
    (out) =>
      void out.text(key).uint32(TYPES.uint32).uint32(value);
  const real =
    (key: string, value: number): Field =>
    (out) =>
      void out.text(key).uint32(TYPES.float32).float32(value);
  const { tokens, kinds, merges } = await vocabulary(config.vocab_size);
  const texts =
    (key: string, values: readonly string[]): Field =>
    (out) => {
      out.text(key).uint32(TYPES.array).uint32(TYPES.string).uint64(values.length);
      for (const value of values) out.text(value);
    };
  return [
    text('general.architecture', 'qwen3'),
    text('general.name', 'random'),
    whole('general.alignment', ALIGNMENT),
    whole('general.file_type', Q4_0),
    whole('qwen3.block_count', config.num_hidden_layers),
    whole('qwen3.context_length', config.max_position_embeddings),
    whole('qwen3.embedding_length', config.hidden_size),
    whole('qwen3.feed_forward_length', config.intermediate_size),
    whole('qwen3.attention.head_count', config.num_attention_heads),
    whole('qwen3.attention.head_count_kv', config.num_key_value_heads),
    whole('qwen3.attention.key_length', config.head_dim),
    whole('qwen3.attention.value_length', config.head_dim),
    real('qwen3.rope.freq_base', config.rope_theta),
    real('qwen3.attention.layer_norm_rms_epsilon', config.rms_norm_eps),
    text('tokenizer.ggml.model', 'gpt2'),
    text('tokenizer.ggml.pre', 'qwen2'),
    texts('tokenizer.ggml.tokens', tokens),
    (out) => {
      out.text('tokenizer.ggml.token_type').uint32(TYPES.array).uint32(TYPES.int32);
      out.uint64(kinds.length);
      for (const kind of kinds) out.uint32(kind);
    },
    texts('tokenizer.ggml.merges', merges),
    whole('tokenizer.ggml.eos_token_id', EOS[0]),
    whole('tokenizer.ggml.bos_token_id', EOS[1]),
  ];
}

interface TokenizerFile {
  readonly model: {
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (string | readonly [string, string])[];
  };
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
}

async function vocabulary(size: number) {
  const file: TokenizerFile = JSON.parse(await readFile(QWEN3_TOKENIZER, 'utf8'));
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const kinds = new Array<number>(size).fill(UNUSED_TOKEN);
  for (const [token, id] of Object.entries(file.model.vocab)) {
    tokens[id] = token;
    kinds[id] = NORMAL_TOKEN;
  }
  for (const { id, content } of file.added_tokens) {
    tokens[id] = content;
    kinds[id] = CONTROL_TOKEN;
  }
  const merges = file.model.merges.map((pair) =>
    typeof pair === 'string' ? pair : pair.join(' '),
  );
  return { tokens, kinds, merges };
}

/** Little-endian numbers and length-prefixed texts, one after the other. */
class Bytes {
  #buffer = Buffer.alloc(1 << 20);
  #length = 0;

  uint32(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
    return this;
  }

  uint64(value: number): this {
    this.#room(8);
    this.#length = this.#buffer.writeBigUInt64LE(BigInt(value), this.#length);
    return this;
  }

  float32(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeFloatLE(value, this.#length);
    return this;
  }

  text(value: string, hasLength = true): this {
    const bytes = Buffer.byteLength(value);
    if (hasLength) this.uint64(bytes);
    this.#room(bytes);
    this.#length += this.#buffer.write(value, this.#length);
    return this;
  }

  take(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.alloc(2 * this.#buffer.length + bytes);
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
