/**
 * The decoder graph: embeddings in, logits of the selected rows out, KV cache in and out (see graph-io.ts). Embeddings
 * and logits are float32 on every target.
 */
import { DECODER_IO } from '../../package/graph-io.ts';
import { LM_HEAD } from '../checkpoint/expected-tensors.ts';
import type { TextConfig } from '../config/text-config.ts';
import { Int8Linears } from '../quantization/int8-linears.ts';
import {
  addAndNorm,
  type DecoderContext,
  decoderLayer,
  type ResidualStream,
} from './decoder-layer.ts';
import { GraphBuilder } from './graph-builder.ts';
import { type GraphContext, headLinear, narrow, toFloat, toStream } from './operators.ts';
import { rotaryTables } from './rotary-tables.ts';

export interface DecoderOptions extends Omit<GraphContext, 'graph' | 'int8'> {
  readonly text: TextConfig;
  /** Replaces the layers' linears by per-channel int8 ones (int8-linears.ts), for a prefill graph. */
  readonly int8Linears?: boolean | undefined;
  /** Graph that receives the nodes; a new one by default. */
  readonly graph?: GraphBuilder | undefined;
}

/** The whole decoder. */
export function decoderGraph(options: DecoderOptions): GraphBuilder {
  const context = decoderContext(options, 'decoder');
  let state: ResidualStream = { stream: firstStream(context) };
  for (let layer = 0; layer < options.text.numLayers; layer++) {
    declareCache(context, layer);
    state = decoderLayer(context, layer, state);
  }
  addHead(context, state);
  return context.graph;
}

/** Output of a single layer's graph: the residual stream after it, [b, s, hidden]. */
export const LAYER_OUTPUT = 'hidden_states';

/** Graph of one layer, residual stream in and out, to measure the error of its quantisation. */
export function singleLayerGraph(options: DecoderOptions, layer: number): GraphBuilder {
  const context = decoderContext(options, `layer_${layer}`);
  declareCache(context, layer);
  const after = decoderLayer(context, layer, { stream: firstStream(context) });
  const { graph } = context;
  const path = `/model/layers.${layer}/stream`;
  const sum = graph.op(path, 'Add', [after.stream, after.update ?? after.stream]);
  graph.identity(toFloat(context, path, sum, context.target.stream), LAYER_OUTPUT);
  graph.output(LAYER_OUTPUT, 'float32', ['batch', 'sequence', options.text.hiddenSize]);
  return graph;
}

/** Graph of the final norm and the head; its inputs are the residual stream and the selected rows. */
export function headGraph(options: DecoderOptions): GraphBuilder {
  const graph = options.graph ?? new GraphBuilder('head');
  const shared = { seqlensK: '', totalSequenceLength: '', cos: '', sin: '' };
  const context: DecoderContext = { ...options, graph, shared };
  addHead(context, { stream: firstStream(context) });
  return graph;
}

function decoderContext(options: DecoderOptions, name: string): DecoderContext {
  const graph = options.graph ?? new GraphBuilder(name);
  const { cos, sin } = rotaryTables(options.text);
  const shape = [options.text.maxPositions, options.text.headDim / 2];
  const { activations: type } = options.target;
  const table = (leaf: string, values: Float32Array): string =>
    graph.weight(leaf, type, shape, options.weights.computed(leaf, values, type));
  const shared = {
    seqlensK: graph.input(DECODER_IO.seqlensK, 'int32', ['batch']),
    totalSequenceLength: graph.input(DECODER_IO.totalSequenceLength, 'int32', []),
    cos: table('cos_cache', cos),
    sin: table('sin_cache', sin),
  };
  const int8 = options.int8Linears ? new Int8Linears(graph, options.weights) : undefined;
  return { ...options, graph, int8, shared };
}

function firstStream(context: DecoderContext): string {
  const { graph, text } = context;
  const shape = ['batch', 'sequence', text.hiddenSize];
  return toStream(context, '/model', graph.input(DECODER_IO.inputsEmbeds, 'float32', shape));
}

function declareCache({ graph, text, target }: DecoderContext, layer: number): void {
  const { activations: type } = target;
  const shape = ['batch', text.numKvHeads, 'capacity', text.headDim];
  graph.input(DECODER_IO.pastKey(layer), type, shape);
  graph.input(DECODER_IO.pastValue(layer), type, shape);
  graph.output(DECODER_IO.presentKey(layer), type, shape);
  graph.output(DECODER_IO.presentValue(layer), type, shape);
}

/** The graph selects rows after the last norm and before the head, because the head costs as much as several layers. */
function addHead(context: DecoderContext, state: ResidualStream): void {
  const { graph, text } = context;
  const path = '/model/norm';
  const { normed } = addAndNorm(context, state, { path, weight: 'text.norm.weight' });
  const indices = graph.input(DECODER_IO.logitIndices, 'int64', ['rows']);
  const flat = graph.op('/lm_head/flatten', 'Reshape', [
    normed,
    graph.int64s([-1, text.hiddenSize]),
  ]);
  const wanted = graph.op('/lm_head/rows', 'Gather', [flat, indices], { axis: { int: 0 } });
  const input = narrow(context, '/lm_head', wanted);
  const logits = headLinear(context, { path: '/lm_head', input, weight: LM_HEAD });
  const { activations } = context.target;
  graph.identity(toFloat(context, '/lm_head', logits, activations), DECODER_IO.logits);
  graph.output(DECODER_IO.logits, 'float32', ['rows', text.vocabSize]);
}
