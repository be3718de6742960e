import type { Precision } from '../../../package/manifest.ts';
import type { ModelTensors } from '../../checkpoint/match-tensors.ts';
import type { TextConfig } from '../../config/text-config.ts';
import { headGraph, singleLayerGraph } from '../../onnx/decoder-graph.ts';
import { CPU_TARGET } from '../../onnx/graph-target.ts';
import { headPieces, headRun, layerRun, withHeadPiece } from './decoder-runs.ts';
import { LogitComparison, type LogitError, relativeDistance } from './distances.ts';
import {
  type GraphJob,
  type GraphRun,
  runTemporaryGraphs,
  type TemporaryGraphs,
} from './temporary-graph.ts';

/** Error of quantisation in the residual stream, layer by layer, and in the logits. One layer is in memory at once. */

export interface LayerError {
  readonly layer: number;
  /** ‖h_q − h‖ / ‖h‖ of the stream after this layer, with all layers up to it quantised. */
  readonly accumulated: number;
  /** The same with only this layer quantised. */
  readonly isolated: number;
}

/** Residual stream of the sample text, float32 [numTokens, hiddenSize], in the reference and the quantised decoder. */
export interface Streams {
  readonly reference: Float32Array;
  readonly quantized: Float32Array;
}

export interface LayerOptions {
  readonly graphs: TemporaryGraphs;
  readonly tensors: ModelTensors;
  /** `maxPositions` only needs to cover the prompt. */
  readonly text: TextConfig;
  readonly precision: Precision;
  /** Measures the prefill graph (quantization/int8-linears.ts) instead of the decoder. */
  readonly int8Linears: boolean;
}

/** Runs both streams through one layer. */
export async function runLayer(
  { graphs, tensors, text, precision, int8Linears: isInt8 }: LayerOptions,
  layer: number,
  before: Streams,
): Promise<{ after: Streams; error: LayerError }> {
  const reference = new Float32Array(before.reference.length);
  const quantized = new Float32Array(before.reference.length);
  const isolated = new Float32Array(before.reference.length);
  const job =
    (form: Precision, int8Linears: boolean, runs: readonly GraphRun[]): GraphJob =>
    (weights) => ({
      graph: singleLayerGraph({ weights, form, text, target: CPU_TARGET, int8Linears }, layer),
      runs,
    });
  await runTemporaryGraphs(graphs, tensors, [
    job('fp32', false, [layerRun(text, layer, before.reference, reference)]),
    job(precision, isInt8, [
      layerRun(text, layer, before.quantized, quantized),
      layerRun(text, layer, before.reference, isolated),
    ]),
  ]);
  return {
    after: { reference, quantized },
    error: {
      layer,
      accumulated: relativeDistance(quantized, reference),
      isolated: relativeDistance(isolated, reference),
    },
  };
}

/** Error of the logits. @param streams the residual streams after the last layer */
export async function measureLogits(
  { graphs, tensors, text, precision }: LayerOptions,
  streams: Streams,
): Promise<LogitError> {
  const comparison = new LogitComparison(streams.reference.length / text.hiddenSize);
  for (const piece of headPieces(text.vocabSize)) {
    const shape = { ...text, vocabSize: piece.count };
    const job =
      (form: Precision, run: GraphRun): GraphJob =>
      (weights) => ({
        graph: headGraph({ weights, form, text: shape, target: CPU_TARGET }),
        runs: [run],
      });
    const reference = headRun(text, piece, streams.reference);
    const quantized = headRun(text, piece, streams.quantized);
    await runTemporaryGraphs(graphs, withHeadPiece(tensors, piece), [
      job('fp32', reference.run),
      job(precision, quantized.run),
    ]);
    comparison.add(reference.logits, quantized.logits);
  }
  return comparison.result();
}
