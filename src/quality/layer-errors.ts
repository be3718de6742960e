/** What quantisation does to the residual stream, layer by layer, with one layer in memory at a time. */
import type { ModelTensors } from '../exporter/checkpoint/match-tensors.ts';
import type { TextConfig } from '../exporter/config/model-config.ts';
import { LAYER_OUTPUT, singleLayerGraph } from '../exporter/graphs/decoder-graph.ts';
import { CPU_TARGET } from '../exporter/graphs/graph-context.ts';
import type { GraphBuilder } from '../exporter/onnx/graph-builder.ts';
import type { WeightStore } from '../exporter/weights/weight-store.ts';
import { DECODER_IO } from '../model-package/graph-io.ts';
import type { Precision } from '../model-package/manifest.ts';
import { relativeDistance } from './distances.ts';
import { type GraphRun, runTemporaryGraph, type TemporaryGraphs } from './temporary-graph.ts';

export interface LayerError {
  readonly layer: number;
  /** ‖h_q − h‖ / ‖h‖ of the stream after this layer, every layer so far being quantised. */
  readonly accumulated: number;
  /** The same when only this layer is quantised and its input is exact. */
  readonly isolated: number;
}

/** The residual stream of the probe, float32 [numTokens, hiddenSize], exact and quantised. */
export interface Streams {
  readonly exact: Float32Array;
  readonly quantized: Float32Array;
}

export interface LayerOptions {
  readonly graphs: TemporaryGraphs;
  readonly tensors: ModelTensors;
  /** Positions need only cover the probe. */
  readonly text: TextConfig;
  readonly precision: Precision;
  /** Measures the decoder for prompts instead (exporter/graphs/int8-linears.ts). */
  readonly int8Linears: boolean;
}

/** Sends both streams through one layer. */
export async function runLayer(
  { graphs, tensors, text, precision, int8Linears: isInt8 }: LayerOptions,
  layer: number,
  before: Streams,
): Promise<{ after: Streams; error: LayerError }> {
  const exact = new Float32Array(before.exact.length);
  const quantized = new Float32Array(before.exact.length);
  const isolated = new Float32Array(before.exact.length);
  const run = (form: Precision, int8Linears: boolean, runs: GraphRun[]): Promise<void> => {
    const build = (weights: WeightStore): GraphBuilder =>
      singleLayerGraph({ weights, form, text, target: CPU_TARGET, int8Linears }, layer);
    return runTemporaryGraph(graphs, tensors, build, runs);
  };
  await run('fp32', false, [layerRun(text, layer, before.exact, exact)]);
  await run(precision, isInt8, [
    layerRun(text, layer, before.quantized, quantized),
    layerRun(text, layer, before.exact, isolated),
  ]);
  return {
    after: { exact, quantized },
    error: {
      layer,
      accumulated: relativeDistance(quantized, exact),
      isolated: relativeDistance(isolated, exact),
    },
  };
}

function layerRun(
  text: TextConfig,
  layer: number,
  input: Float32Array,
  output: Float32Array,
): GraphRun {
  const { hiddenSize, numKvHeads, headDim } = text;
  const numTokens = input.length / hiddenSize;
  const stream = (data: Float32Array) =>
    ({ type: 'float32', dims: [1, numTokens, hiddenSize], data }) as const;
  const cache = () =>
    ({
      type: 'float32',
      dims: [1, numKvHeads, numTokens, headDim],
      data: new Float32Array(numKvHeads * numTokens * headDim),
    }) as const;
  const [keys, values] = [cache(), cache()];
  return {
    feeds: {
      [DECODER_IO.inputsEmbeds]: stream(input),
      [DECODER_IO.seqlensK]: { type: 'int32', dims: [1], data: Int32Array.of(numTokens - 1) },
      [DECODER_IO.totalSequenceLength]: { type: 'int32', dims: [], data: Int32Array.of(numTokens) },
      [DECODER_IO.pastKey(layer)]: keys,
      [DECODER_IO.pastValue(layer)]: values,
    },
    fetches: {
      [LAYER_OUTPUT]: stream(output),
      [DECODER_IO.presentKey(layer)]: keys,
      [DECODER_IO.presentValue(layer)]: values,
    },
  };
}
