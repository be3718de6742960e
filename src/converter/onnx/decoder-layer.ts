/**
 * One Qwen3 layer: `x += attention(norm(x)); x += mlp(norm(x))`. Each addition is fused with the norm after it, so a
 * layer returns the residual stream and an update that the next norm adds.
 *
 * q and k have a norm per head. The GPU kernels of GroupQueryAttention compute it. ONNX Runtime's CPU kernel does not, so
 * there it is Reshape–SimplifiedLayerNormalization–Reshape.
 */
import { DECODER_IO } from '../../package/graph-io.ts';
import type { TextConfig } from '../config/text-config.ts';
import {
  activationVector,
  type GraphContext,
  linear,
  narrow,
  rmsNorm,
  streamVector,
  widen,
} from './operators.ts';

export interface ResidualStream {
  readonly stream: string;
  /** Update that is not yet added to the stream; absent before the first layer. */
  readonly update?: string;
}

/** Inputs that all layers share. */
export interface LayerInputs {
  readonly seqlensK: string;
  readonly totalSequenceLength: string;
  readonly cos: string;
  readonly sin: string;
}

export interface DecoderContext extends GraphContext {
  readonly text: TextConfig;
  readonly shared: LayerInputs;
}

export function decoderLayer(
  context: DecoderContext,
  layer: number,
  before: ResidualStream,
): ResidualStream {
  const path = `/model/layers.${layer}`;
  const name = `text.layers.${layer}`;
  const first = addAndNorm(context, before, {
    path: `${path}/input_layernorm`,
    weight: `${name}.input_layernorm.weight`,
  });
  const update = attention(context, layer, first.normed);
  const second = addAndNorm(
    context,
    { stream: first.stream, update },
    {
      path: `${path}/post_attention_layernorm`,
      weight: `${name}.post_attention_layernorm.weight`,
    },
  );
  return { stream: second.stream, update: mlp(context, layer, second.normed) };
}

/** Adds the pending update to the stream and norms the sum. */
export function addAndNorm(
  context: DecoderContext,
  { stream, update }: ResidualStream,
  { path, weight }: { path: string; weight: string },
): { normed: string; stream: string } {
  const eps = context.text.normEps;
  if (update === undefined) {
    const scale = streamVector(context, weight);
    return { normed: rmsNorm(context, { path, input: stream, scale, eps }), stream };
  }
  const type = 'SkipSimplifiedLayerNormalization';
  const normed = `${path}/${type}/output_0`;
  const sum = `${path}/${type}/output_3`;
  context.graph.node({
    path,
    type,
    inputs: [stream, update, streamVector(context, weight)],
    outputs: [normed, '', '', sum],
    attributes: { epsilon: { float: eps } },
  });
  return { normed, stream: sum };
}

function attention(context: DecoderContext, layer: number, normed: string): string {
  const { graph, text, shared } = context;
  const path = `/model/layers.${layer}/attn`;
  const name = `text.layers.${layer}.self_attn`;
  const input = narrow(context, path, normed);
  const project = (leaf: string): string =>
    linear(context, { path: `${path}/${leaf}`, input, weight: `${name}.${leaf}.weight` });
  const { query, key, norms } = normedHeads(context, layer, {
    query: project('q_proj'),
    key: project('k_proj'),
  });
  const output = `${path}/GroupQueryAttention/output_0`;
  graph.node({
    path,
    type: 'GroupQueryAttention',
    inputs: [
      query,
      key,
      project('v_proj'),
      DECODER_IO.pastKey(layer),
      DECODER_IO.pastValue(layer),
      shared.seqlensK,
      shared.totalSequenceLength,
      shared.cos,
      shared.sin,
      ...norms,
    ],
    outputs: [output, DECODER_IO.presentKey(layer), DECODER_IO.presentValue(layer)],
    attributes: {
      num_heads: { int: text.numHeads },
      kv_num_heads: { int: text.numKvHeads },
      do_rotary: { int: 1 },
      rotary_interleaved: { int: 0 },
      scale: { float: 1 / Math.sqrt(text.headDim) },
      ...(norms.length > 0 ? { qk_norm_epsilon: { float: text.normEps } } : {}),
    },
  });
  const weight = `${name}.o_proj.weight`;
  return widen(context, path, linear(context, { path: `${path}/o_proj`, input: output, weight }));
}

/** GroupQueryAttention's optional inputs 9 to 13 (positions, bias, sink and the scales of a quantised cache). */
const UNUSED_INPUTS = ['', '', '', '', ''] as const;

/** @returns q and k for GroupQueryAttention, and its remaining inputs when it norms q and k itself */
function normedHeads(
  context: DecoderContext,
  layer: number,
  { query, key }: { query: string; key: string },
): { query: string; key: string; norms: readonly string[] } {
  const { graph, text, target } = context;
  const path = `/model/layers.${layer}/attn`;
  const weight = (leaf: string): string => `text.layers.${layer}.self_attn.${leaf}.weight`;
  if (target.headNorms === 'fused') {
    const norms = ['q_norm', 'k_norm'].map((leaf) => activationVector(context, weight(leaf)));
    return { query, key, norms: [...UNUSED_INPUTS, ...norms] };
  }
  const normHeads = (leaf: string, value: string): string => {
    const at = `${path}/${leaf}`;
    const heads = graph.op(`${at}/split`, 'Reshape', [
      value,
      graph.int64s([0, 0, -1, text.headDim]),
    ]);
    const scale = activationVector(context, weight(leaf));
    const normed = rmsNorm(context, { path: at, input: heads, scale, eps: text.normEps });
    return graph.op(`${at}/merge`, 'Reshape', [normed, graph.int64s([0, 0, -1])]);
  };
  return { query: normHeads('q_norm', query), key: normHeads('k_norm', key), norms: [] };
}

function mlp(context: DecoderContext, layer: number, normed: string): string {
  const { graph } = context;
  const path = `/model/layers.${layer}/mlp`;
  const input = narrow(context, path, normed);
  const project = (leaf: string, value: string): string => {
    const weight = `text.layers.${layer}.mlp.${leaf}.weight`;
    return linear(context, { path: `${path}/${leaf}`, input: value, weight });
  };
  const gate = project('gate_proj', input);
  const sigmoid = graph.op(`${path}/act`, 'Sigmoid', [gate]);
  const silu = graph.op(`${path}/act`, 'Mul', [gate, sigmoid]);
  const inner = graph.op(path, 'Mul', [silu, project('up_proj', input)]);
  return widen(context, path, project('down_proj', inner));
}
