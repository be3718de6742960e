/** Config of the Qwen3 decoder. */
import { z } from 'zod';
import { ConvertError } from '../convert-error.ts';

export interface TextConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly maxPositions: number;
  readonly normEps: number;
  readonly ropeTheta: number;
  /** Value in the config; match-tensors.ts compares the weights. */
  readonly tieWordEmbeddings: boolean;
}

const count = z.int().min(1);
const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
});

/** Fields that every saved config has are required. The others have the defaults of transformers' Qwen3Config. */
export const textConfigSchema = z.looseObject({
  model_type: z.string(),
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count,
  head_dim: count.default(128),
  hidden_act: z.string().default('silu'),
  max_position_embeddings: count,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  attention_bias: z.boolean().default(false),
  use_sliding_window: z.boolean().default(false),
  layer_types: z.array(z.string()).nullish(),
  tie_word_embeddings: z.boolean().default(false),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
});
export type RawTextConfig = z.output<typeof textConfigSchema>;

/**
 * @param prefix name of the config inside config.json, for messages: '' or 'text_config.'
 * @throws ConvertError that names the first field without support in the graphs
 */
export function checkTextConfig(raw: RawTextConfig, prefix: string): TextConfig {
  const reject = (field: string, value: unknown, supported: string): never => {
    throw new ConvertError(
      `config.json: ${prefix}${field} is ${JSON.stringify(value)}; only ${supported} is supported.`,
    );
  };
  if (raw.model_type !== 'qwen3') reject('model_type', raw.model_type, '"qwen3"');
  if (raw.hidden_act !== 'silu') reject('hidden_act', raw.hidden_act, '"silu"');
  if (raw.attention_bias) reject('attention_bias', true, 'false');
  if (raw.use_sliding_window) reject('use_sliding_window', true, 'false');
  const otherLayer = raw.layer_types?.find((type) => type !== 'full_attention');
  if (otherLayer !== undefined) reject('layer_types', otherLayer, '"full_attention"');
  for (const field of ['rope_scaling', 'rope_parameters'] as const) {
    const type = raw[field]?.rope_type ?? raw[field]?.type ?? 'default';
    if (type !== 'default') reject(field, raw[field], 'plain rotary embedding');
  }
  if (raw.head_dim % 2 !== 0) reject('head_dim', raw.head_dim, 'an even number');
  if (raw.num_attention_heads % raw.num_key_value_heads !== 0) {
    reject('num_key_value_heads', raw.num_key_value_heads, 'a divisor of num_attention_heads');
  }
  const ropeTheta = raw.rope_parameters?.rope_theta ?? raw.rope_theta;
  if (ropeTheta === undefined) {
    throw new ConvertError(
      `config.json: neither ${prefix}rope_theta nor ${prefix}rope_parameters.rope_theta is given.`,
    );
  }
  return {
    vocabSize: raw.vocab_size,
    hiddenSize: raw.hidden_size,
    intermediateSize: raw.intermediate_size,
    numLayers: raw.num_hidden_layers,
    numHeads: raw.num_attention_heads,
    numKvHeads: raw.num_key_value_heads,
    headDim: raw.head_dim,
    maxPositions: raw.max_position_embeddings,
    normEps: raw.rms_norm_eps,
    ropeTheta,
    tieWordEmbeddings: raw.tie_word_embeddings,
  };
}
