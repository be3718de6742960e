/**
 * Writes small random checkpoints in the Hugging Face layout: config, weights, tokenizer, template, preprocessor and
 * generation config. Same options, same bytes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from './random.ts';
import { type TensorToWrite, type WrittenDtype, writeSafetensors } from './safetensors-writer.ts';
import { tinyTokenizer } from './tiny-tokenizer.ts';

export interface TextShapeOptions {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly maxPositions: number;
  readonly ropeTheta: number;
  readonly tied: boolean;
}

export interface VisionShapeOptions {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly imageSize: number;
  readonly patchSize: number;
  /** In tiles, as [rows, columns]. */
  readonly grids: readonly (readonly [number, number])[];
}

export interface RandomCheckpointOptions {
  readonly text?: Partial<TextShapeOptions>;
  /** null or absent writes a text-only Qwen3 checkpoint. */
  readonly vision?: Partial<VisionShapeOptions> | null;
  readonly seed?: number;
  readonly dtype?: WrittenDtype;
  /** Prefixes since (`new`) or before (`old`) transformers 4.52. */
  readonly naming?: 'new' | 'old';
  /** Number of weight files; more than one come with an index. */
  readonly shards?: number;
  /** Last changes before writing; tests break things here. */
  readonly edit?: (draft: CheckpointDraft) => void;
}

export interface CheckpointDraft {
  config: Record<string, unknown>;
  preprocessor: Record<string, unknown> | undefined;
  processor: Record<string, unknown> | undefined;
  generation: Record<string, unknown> | undefined;
  tokenizer: Record<string, unknown>;
  template: string;
  /** By checkpoint name. */
  tensors: Map<string, TensorToWrite>;
}

export interface RandomCheckpoint {
  readonly dir: string;
  readonly text: TextShapeOptions;
  readonly vision: VisionShapeOptions | null;
  /** Weights as written, widened back to float32, by canonical name (`text.…`, `head.weight`, `vision.…`, …). */
  readonly weights: ReadonlyMap<string, TensorToWrite>;
  readonly vocabSize: number;
}

const TEXT: TextShapeOptions = {
  hiddenSize: 64,
  intermediateSize: 96,
  numLayers: 2,
  numHeads: 4,
  numKvHeads: 2,
  headDim: 16,
  maxPositions: 256,
  ropeTheta: 10_000,
  tied: true,
};
const VISION: VisionShapeOptions = {
  hiddenSize: 32,
  intermediateSize: 48,
  numLayers: 2,
  numHeads: 2,
  imageSize: 30,
  patchSize: 7,
  grids: [
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
  ],
};

export const CHAT_TEMPLATE = `{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}{% if part.type == 'image' %}<image>
{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if thinking_mode == 'short' %}<think>

</think>{% elif thinking_mode == 'long' %}<think>
{% else %}<think>{% endif %}
{%- endif -%}
`;

/** Writes the checkpoint into `dir`, which is created. */
export function writeRandomCheckpoint(
  dir: string,
  options: RandomCheckpointOptions = {},
): RandomCheckpoint {
  const text = { ...TEXT, ...options.text };
  const vision = options.vision ? { ...VISION, ...options.vision } : null;
  const tokenizer = tinyTokenizer();
  const vocabSize = Math.ceil(tokenizer.size / 32) * 32;
  const dtype = options.dtype ?? 'F32';
  const weights = randomWeights({ text, vision, vocabSize, dtype, seed: options.seed ?? 1 });
  const rename = (name: string): string =>
    checkpointName(name, vision === null ? 'text' : (options.naming ?? 'new'));
  const draft: CheckpointDraft = {
    config: configJson({ text, vision, vocabSize, imageToken: tokenizer.ids['<image>']! }),
    preprocessor: vision ? preprocessorJson(vision.imageSize, pinpointsOf(vision)) : undefined,
    processor: vision ? { image_token: '<image>' } : undefined,
    generation: { eos_token_id: [tokenizer.ids['<|im_end|>'], tokenizer.ids['<|endoftext|>']] },
    tokenizer: tokenizer.json,
    template: CHAT_TEMPLATE,
    tensors: new Map(
      [...weights].map(([name, tensor]) => [rename(name), { ...tensor, name: rename(name) }]),
    ),
  };
  options.edit?.(draft);
  writeFiles(dir, draft, { dtype, shards: options.shards ?? 1 });
  return { dir, text, vision, weights, vocabSize };
}

function writeFiles(
  dir: string,
  draft: CheckpointDraft,
  { dtype, shards }: { dtype: WrittenDtype; shards: number },
): void {
  mkdirSync(dir, { recursive: true });
  const json = (file: string, value: unknown): void => {
    if (value !== undefined) writeFileSync(join(dir, file), JSON.stringify(value, null, 1));
  };
  json('config.json', draft.config);
  json('preprocessor_config.json', draft.preprocessor);
  json('processor_config.json', draft.processor);
  json('generation_config.json', draft.generation);
  json('tokenizer.json', draft.tokenizer);
  writeFileSync(join(dir, 'chat_template.jinja'), draft.template);
  const tensors = [...draft.tensors.values()];
  if (shards === 1) {
    writeSafetensors(join(dir, 'model.safetensors'), tensors, dtype);
    return;
  }
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-${String(shard + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`;
    const part = tensors.filter((_, i) => i % shards === shard);
    for (const { name } of part) weightMap[name] = file;
    writeSafetensors(join(dir, file), part, dtype);
  }
  json('model.safetensors.index.json', { metadata: {}, weight_map: weightMap });
}

function configJson(options: {
  text: TextShapeOptions;
  vision: VisionShapeOptions | null;
  vocabSize: number;
  imageToken: number;
}): Record<string, unknown> {
  const { text, vision, vocabSize } = options;
  const textConfig = {
    model_type: 'qwen3',
    vocab_size: vocabSize,
    hidden_size: text.hiddenSize,
    intermediate_size: text.intermediateSize,
    num_hidden_layers: text.numLayers,
    num_attention_heads: text.numHeads,
    num_key_value_heads: text.numKvHeads,
    head_dim: text.headDim,
    hidden_act: 'silu',
    max_position_embeddings: text.maxPositions,
    rms_norm_eps: 1e-6,
    rope_theta: text.ropeTheta,
    rope_scaling: null,
    attention_bias: false,
    use_sliding_window: false,
    tie_word_embeddings: text.tied,
  };
  if (vision === null) return { architectures: ['Qwen3ForCausalLM'], ...textConfig };
  const side = vision.imageSize;
  return {
    architectures: ['RForConditionalGeneration'],
    model_type: 'R',
    image_token_index: options.imageToken,
    projector_hidden_act: 'gelu',
    vision_feature_select_strategy: 'full',
    vision_feature_layer: -1,
    vision_aspect_ratio: 'anyres',
    image_grid_pinpoints: pinpointsOf(vision),
    tie_word_embeddings: text.tied,
    multimodal_projector_bias: true,
    text_config: textConfig,
    vision_config: {
      model_type: 'siglip_vision_model',
      hidden_size: vision.hiddenSize,
      intermediate_size: vision.intermediateSize,
      num_hidden_layers: vision.numLayers,
      num_attention_heads: vision.numHeads,
      num_channels: 3,
      image_size: side,
      patch_size: vision.patchSize,
      hidden_act: 'gelu_pytorch_tanh',
      layer_norm_eps: 1e-6,
      vision_use_head: false,
    },
  };
}

function pinpointsOf({ imageSize: side, grids }: VisionShapeOptions): number[][] {
  return grids.map(([rows, columns]) => [rows * side, columns * side]);
}

/** R-4B's preprocessor_config.json, for square tiles of `side` pixels. */
export function preprocessorJson(
  side: number,
  pinpoints: readonly (readonly number[])[],
): Record<string, unknown> {
  return {
    image_processor_type: 'LlavaOnevisionImageProcessor',
    do_resize: true,
    do_rescale: true,
    do_normalize: true,
    resample: 3,
    rescale_factor: 1 / 255,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    size: { height: side, width: side },
    image_grid_pinpoints: pinpoints,
  };
}

/** Uniform, with a mean of 0 and a deviation of 1. */
function randomStream(seed: number): () => number {
  const source = new Random(seed);
  return () => (source.next() - 0.5) * Math.sqrt(12);
}

function randomWeights(options: {
  text: TextShapeOptions;
  vision: VisionShapeOptions | null;
  vocabSize: number;
  dtype: WrittenDtype;
  seed: number;
}): Map<string, TensorToWrite> {
  const { text, vision, vocabSize, dtype, seed } = options;
  const random = randomStream(seed);
  const weights = new Map<string, TensorToWrite>();
  const add = (name: string, shape: readonly number[], value: () => number): void => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const values = Float32Array.from({ length: size }, value);
    weights.set(name, { name, shape, values: dtype === 'F32' ? values : cutMantissa(values) });
  };
  const linear = (name: string, out: number, input: number): void =>
    add(`${name}.weight`, [out, input], () => random() / Math.sqrt(input));
  const bias = (name: string, size: number): void =>
    add(`${name}.bias`, [size], () => random() * 0.1);
  const gain = (name: string, size: number): void =>
    add(`${name}.weight`, [size], () => 1 + random() * 0.2);
  const biased = (name: string, out: number, input: number): void => {
    linear(name, out, input);
    bias(name, out);
  };
  const norm = (name: string, size: number): void => {
    gain(name, size);
    bias(name, size);
  };

  add('text.embed_tokens.weight', [vocabSize, text.hiddenSize], () => random() * 0.5);
  for (let layer = 0; layer < text.numLayers; layer++) {
    const at = `text.layers.${layer}`;
    gain(`${at}.input_layernorm`, text.hiddenSize);
    linear(`${at}.self_attn.q_proj`, text.numHeads * text.headDim, text.hiddenSize);
    linear(`${at}.self_attn.k_proj`, text.numKvHeads * text.headDim, text.hiddenSize);
    linear(`${at}.self_attn.v_proj`, text.numKvHeads * text.headDim, text.hiddenSize);
    linear(`${at}.self_attn.o_proj`, text.hiddenSize, text.numHeads * text.headDim);
    gain(`${at}.self_attn.q_norm`, text.headDim);
    gain(`${at}.self_attn.k_norm`, text.headDim);
    gain(`${at}.post_attention_layernorm`, text.hiddenSize);
    linear(`${at}.mlp.gate_proj`, text.intermediateSize, text.hiddenSize);
    linear(`${at}.mlp.up_proj`, text.intermediateSize, text.hiddenSize);
    linear(`${at}.mlp.down_proj`, text.hiddenSize, text.intermediateSize);
  }
  gain('text.norm', text.hiddenSize);
  if (!text.tied) linear('head', vocabSize, text.hiddenSize);
  if (vision === null) return weights;

  const patch = [vision.hiddenSize, 3, vision.patchSize, vision.patchSize];
  add('vision.embeddings.patch_embedding.weight', patch, () => random() / (vision.patchSize * 2));
  bias('vision.embeddings.patch_embedding', vision.hiddenSize);
  const numPatches = Math.floor(vision.imageSize / vision.patchSize) ** 2;
  const positions = 'vision.embeddings.position_embedding.weight';
  add(positions, [numPatches, vision.hiddenSize], () => random() * 0.3);
  for (let layer = 0; layer < vision.numLayers; layer++) {
    const at = `vision.encoder.layers.${layer}`;
    norm(`${at}.layer_norm1`, vision.hiddenSize);
    norm(`${at}.layer_norm2`, vision.hiddenSize);
    for (const leaf of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
      biased(`${at}.self_attn.${leaf}`, vision.hiddenSize, vision.hiddenSize);
    }
    biased(`${at}.mlp.fc1`, vision.intermediateSize, vision.hiddenSize);
    biased(`${at}.mlp.fc2`, vision.hiddenSize, vision.intermediateSize);
  }
  norm('vision.post_layernorm', vision.hiddenSize);
  norm('projector.pre_norm', vision.hiddenSize);
  biased('projector.linear_1', text.hiddenSize, vision.hiddenSize);
  biased('projector.linear_2', text.hiddenSize, text.hiddenSize);
  add('newline', [text.hiddenSize], () => random() * 0.5);
  return weights;
}

/** Keeps seven bits of mantissa, so that bfloat16 and half precision hold the values exactly. */
function cutMantissa(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i++) {
    // Below half precision's normal range there are fewer bits; such values become zero.
    bits[i] = Math.abs(values[i]!) < 2 ** -14 ? 0 : bits[i]! & 0xffff0000;
  }
  return values;
}

const NAMES: Readonly<Record<'new' | 'old' | 'text', Readonly<Record<string, string>>>> = {
  new: {
    'text.': 'model.language_model.',
    'head.': 'lm_head.',
    'vision.': 'model.vision_tower.vision_model.',
    'projector.': 'model.multi_modal_projector.',
    newline: 'model.image_newline',
  },
  old: {
    'text.': 'language_model.model.',
    'head.': 'language_model.lm_head.',
    'vision.': 'vision_tower.vision_model.',
    'projector.': 'multi_modal_projector.',
    newline: 'image_newline',
  },
  text: { 'text.': 'model.', 'head.': 'lm_head.' },
};

function checkpointName(canonical: string, naming: 'new' | 'old' | 'text'): string {
  for (const [short, prefix] of Object.entries(NAMES[naming])) {
    if (canonical.startsWith(short)) return prefix + canonical.slice(short.length);
  }
  throw new Error(`${canonical} has no name.`);
}
