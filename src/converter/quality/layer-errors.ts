/** What quantisation does to the residual stream, layer by layer, with one layer in memory at a time. */

import type { Precision } from '../../package/manifest.ts';
import type { ModelTensors } from '../checkpoint/match-tensors.ts';
import type { TextConfig } from '../config/model-config.ts';
import { singleLayerGraph } from '../graphs/decoder-graph.ts';
import { CPU_TARGET } from '../graphs/graph-context.ts';
import { relativeDistance } from './distances.ts';
import { layerRun } from './layer-run.ts';
import {
  type GraphJob,
  type GraphRun,
  runTemporaryGraphs,
  type TemporaryGraphs,
} from './temporary-graph.ts';

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
  const job =
    (form: Precision, int8Linears: boolean, runs: readonly GraphRun[]): GraphJob =>
    (weights) => ({
      graph: singleLayerGraph({ weights, form, text, target: CPU_TARGET, int8Linears }, layer),
      runs,
    });
  await runTemporaryGraphs(graphs, tensors, [
    job('fp32', false, [layerRun(text, layer, before.exact, exact)]),
    job(precision, isInt8, [
      layerRun(text, layer, before.quantized, quantized),
      layerRun(text, layer, before.exact, isolated),
    ]),
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
