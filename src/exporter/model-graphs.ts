/** All graphs of a model and the data files their weights go to. */
import type { Precision } from '../model-package/manifest.ts';
import type { ModelTensors } from './checkpoint/match-tensors.ts';
import type { ModelConfig } from './config/model-config.ts';
import { decoderGraph } from './graphs/decoder-graph.ts';
import { embeddingForm, embedGraph } from './graphs/embed-graph.ts';
import { visionGraph } from './graphs/vision-graph.ts';
import type { GraphBuilder } from './onnx/graph-builder.ts';
import { DataFile } from './weights/data-file.ts';
import type { ErrorSink } from './weights/tensor-groups.ts';
import { WeightStore } from './weights/weight-store.ts';

export interface ModelGraphs {
  /** By file name. */
  readonly graphs: ReadonlyMap<string, GraphBuilder>;
  readonly dataFiles: readonly DataFile[];
}

export const GRAPH_FILES = {
  vision: 'vision.onnx',
  embed: 'embed.onnx',
  decoder: 'decoder.onnx',
} as const;

export interface ModelGraphsOptions {
  readonly config: ModelConfig;
  readonly tensors: ModelTensors;
  readonly precision: Precision;
  readonly onError: ErrorSink;
  readonly measure: boolean;
}

/**
 * Builds the graphs; the weights are only placed, not read. The embedding and the decoder share one data file, since a
 * tied embedding is the head's weight. A vision tower loses more from 4 bits than it saves, so its linears stay at 8.
 */
export function modelGraphs(options: ModelGraphsOptions): ModelGraphs {
  const { config, tensors, precision, onError, measure } = options;
  const textFile = new DataFile('text.data');
  const text = new WeightStore({ tensors, file: textFile, onError, measure });
  const { hiddenSize } = config.text;
  const embedding = embeddingForm(precision, { hiddenSize, tied: tensors.tied });
  const graphs = new Map<string, GraphBuilder>([
    [GRAPH_FILES.embed, embedGraph(text, embedding)],
    [GRAPH_FILES.decoder, decoderGraph({ weights: text, form: precision, text: config.text })],
  ]);
  if (config.vision === null) return { graphs, dataFiles: [textFile] };
  const visionFile = new DataFile('vision.data');
  const weights = new WeightStore({ tensors, file: visionFile, onError, measure });
  const form = precision === 'int4' ? 'int8' : precision;
  graphs.set(GRAPH_FILES.vision, visionGraph({ weights, form, ...config.vision }));
  return { graphs, dataFiles: [textFile, visionFile] };
}
