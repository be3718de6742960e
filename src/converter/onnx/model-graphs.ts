/** Builds all graphs of a model and plans the data files of their weights. */
import {
  type BlockSize,
  DEFAULT_BLOCK_SIZE,
  type Precision,
  type StreamType,
} from '../../package/manifest.ts';
import type { ModelTensors } from '../checkpoint/match-tensors.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { ErrorSink } from '../quantization/storage-error.ts';
import { DataFile } from '../weights/data-file.ts';
import { WeightStore } from '../weights/weight-store.ts';
import { decoderGraph } from './decoder-graph.ts';
import { embeddingForm, embedGraph } from './embed-graph.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { CPU_TARGET, type GraphTarget, gpuTarget } from './graph-target.ts';
import { visionGraph } from './vision-graph.ts';

export interface ModelGraphs {
  /** By file name. */
  readonly graphs: ReadonlyMap<string, GraphBuilder>;
  /** In the order in which they must be written. */
  readonly dataFiles: readonly DataFile[];
}

export const GRAPH_FILES = {
  vision: 'vision.onnx',
  embed: 'embed.onnx',
  decoder: 'decoder.onnx',
} as const;

/** CPU and GPU share the embedding graph. */
export const GPU_GRAPH_FILES = {
  vision: 'vision.gpu.onnx',
  embed: GRAPH_FILES.embed,
  decoder: 'decoder.gpu.onnx',
} as const;

/** The prefill graph. */
export const PREFILL_GRAPH_FILES = { decoder: 'prefill.onnx' } as const;

type GraphFileNames = Readonly<Record<'vision' | 'decoder', string>>;

export interface ModelGraphsOptions {
  readonly config: ModelConfig;
  readonly tensors: ModelTensors;
  readonly precision: Precision;
  /** Block size of the decoder, the head and the embedding. */
  readonly blockSize: BlockSize;
  /** Also builds the GPU graphs (graph-target.ts) unless null. */
  readonly gpu: { readonly stream: StreamType } | null;
  /** Also builds a prefill graph with int8 linears (quantization/int8-linears.ts). */
  readonly prefill: boolean;
  readonly onError: ErrorSink;
  readonly measure: boolean;
}

/** Precision of the vision tower's linears. With 4 bits it would lose more than it saves. */
export function visionForm(precision: Precision): Precision {
  return precision === 'int4' ? 'int8' : precision;
}

/**
 * Builds the graphs and reserves space for the weights, without reading them. Embedding and decoder share one data file,
 * because a tied embedding is the head's weight.
 *
 * The GPU graphs read the same weights. Norms, biases and scales in half precision are in separate files, so the CPU
 * graphs' files are the same with and without GPU graphs. The prefill graph also has a separate file.
 */
export function modelGraphs(options: ModelGraphsOptions): ModelGraphs {
  const { config, precision, tensors, blockSize } = options;
  const cpu = newStores(options, '.data');
  const { hiddenSize } = config.text;
  const embedding = embeddingForm(precision, { hiddenSize, tied: tensors.tied, blockSize });
  const graphs = new Map<string, GraphBuilder>([
    [GRAPH_FILES.embed, embedGraph(cpu.text.weights, embedding)],
    ...targetGraphs(options, { stores: cpu, target: CPU_TARGET, files: GRAPH_FILES }),
  ]);
  const dataFiles = filesOf(cpu);
  if (options.gpu) {
    const gpu = newStores(options, '.gpu.data', cpu);
    const gpuGraphs = {
      stores: gpu,
      target: gpuTarget(options.gpu.stream),
      files: GPU_GRAPH_FILES,
    };
    for (const [file, graph] of targetGraphs(options, gpuGraphs)) graphs.set(file, graph);
    dataFiles.push(...filesOf(gpu));
  }
  if (options.prefill) {
    const prefill = newStore(options, 'prefill.data', cpu.text.weights);
    graphs.set(PREFILL_GRAPH_FILES.decoder, prefillGraph(options, prefill.weights));
    dataFiles.push(prefill.file);
  }
  return { graphs, dataFiles };
}

function prefillGraph({ config, precision }: ModelGraphsOptions, weights: WeightStore) {
  const { text } = config;
  return decoderGraph({ weights, form: precision, text, target: CPU_TARGET, int8Linears: true });
}

interface Store {
  readonly file: DataFile;
  readonly weights: WeightStore;
}

interface Stores {
  readonly text: Store;
  readonly vision: Store | undefined;
}

function newStores(options: ModelGraphsOptions, suffix: string, base?: Stores): Stores {
  const part = (name: keyof Stores): Store =>
    newStore(
      name === 'text' ? options : { ...options, blockSize: DEFAULT_BLOCK_SIZE },
      name + suffix,
      base?.[name]?.weights,
    );
  return { text: part('text'), vision: options.config.vision ? part('vision') : undefined };
}

function newStore(
  { tensors, blockSize, onError, measure }: ModelGraphsOptions,
  name: string,
  base: WeightStore | undefined,
): Store {
  const file = new DataFile(name);
  return { file, weights: new WeightStore({ tensors, file, blockSize, onError, measure, base }) };
}

function filesOf({ text, vision }: Stores): DataFile[] {
  return vision === undefined ? [text.file] : [text.file, vision.file];
}

function targetGraphs(
  { config, precision }: ModelGraphsOptions,
  { stores, target, files }: { stores: Stores; target: GraphTarget; files: GraphFileNames },
): [string, GraphBuilder][] {
  const decoder = decoderGraph({
    weights: stores.text.weights,
    form: precision,
    text: config.text,
    target,
  });
  if (config.vision === null || stores.vision === undefined) return [[files.decoder, decoder]];
  const vision = visionGraph({
    ...{ weights: stores.vision.weights, form: visionForm(precision), target },
    ...config.vision,
  });
  return [
    [files.decoder, decoder],
    [files.vision, vision],
  ];
}
