/**
 * Measures what float16 arithmetic on a GPU does to a model: prompts are sent through the checkpoint in float32, through
 * the package's weights in float32, and through the same weights in float16 as graphs/gpu-target.ts has them and
 * emulated-graph.ts computes it. Only one layer is in memory at a time.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { openCheckpointWeights } from '../../exporter/checkpoint/checkpoint-weights.ts';
import { IMAGE_NEWLINE } from '../../exporter/checkpoint/expected-tensors.ts';
import { type ModelTensors, matchTensors } from '../../exporter/checkpoint/match-tensors.ts';
import type { ModelConfig } from '../../exporter/config/model-config.ts';
import { readModelConfig } from '../../exporter/config/read-model-config.ts';
import { DEFAULT_BLOCK_SIZE, type Manifest } from '../../model-package/manifest.ts';
import type { Backend } from '../../runtime/session.ts';
import type { LayerOptions } from '../layer-errors.ts';
import { probeEmbeddings } from '../probe.ts';
import { threefoldHead, threefoldLayer } from './decoder.ts';
import { type LargestValue, LargestValues } from './largest-values.ts';
import { compareOutcomes, type Float16Outcome } from './outcome.ts';
import { type PreparedPrompt, preparePrompts } from './prepare-prompts.ts';
import type { TrialPrompt } from './prompts.ts';
import { mapWays, type Threefold, WAYS } from './threefold.ts';
import { threefoldFeatures } from './vision.ts';

export interface Float16Report extends Float16Outcome {
  readonly largest: readonly LargestValue[];
}

export interface Float16Options {
  readonly checkpointDir: string;
  /** Of the package that was converted from it. */
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly prompts: readonly TrialPrompt[];
  readonly backend: Backend;
  /** Existing folder for the graphs of one layer. */
  readonly scratchParent: string;
  readonly numThreads: number;
  /** Steps done so far: layers, and one each for pictures and head. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws ConvertError for an unusable checkpoint, ChatInputError for a prompt the model refuses, RuntimeError when a graph fails */
export async function measureFloat16(options: Float16Options): Promise<Float16Report> {
  const { checkpointDir, manifest, prompts, onProgress } = options;
  const config = await readModelConfig(checkpointDir);
  const { prepared, probe } = await preparePrompts(options.packageDir, manifest, prompts);
  const weights = await openCheckpointWeights(checkpointDir);
  try {
    const tensors = await matchTensors(config, weights.tensors);
    const largest = new LargestValues();
    const layerOptions = optionsOf(options, { config, tensors, prepared });
    const { numLayers } = config.text;
    const steps = numLayers + 2;
    onProgress?.(0, steps);
    let streams = await firstStreams(layerOptions, { config, prepared, manifest, largest });
    for (let layer = 0; layer < numLayers; layer++) {
      onProgress?.(layer + 1, steps);
      streams = await threefoldLayer(layerOptions, layer, streams, largest);
    }
    onProgress?.(steps - 1, steps);
    const last = mapWays((way) =>
      lastRows(
        streams.map((stream) => stream[way]),
        config,
      ),
    );
    const logits = await threefoldHead(layerOptions, last, largest);
    onProgress?.(steps, steps);
    return { ...compareOutcomes(prepared, logits, probe), largest: largest.all };
  } finally {
    await weights.close();
  }
}

function optionsOf(
  { manifest, backend, scratchParent, numThreads, signal }: Float16Options,
  { config, tensors, prepared }: Pick<Model, 'config' | 'prepared'> & { tensors: ModelTensors },
): LayerOptions {
  const scratchDir = join(scratchParent, `.quality-${randomUUID()}`);
  return {
    graphs: {
      ...{ backend, scratchDir, numThreads, signal },
      blockSize: manifest.blockSize ?? DEFAULT_BLOCK_SIZE,
    },
    tensors,
    text: {
      ...config.text,
      maxPositions: Math.max(...prepared.map(({ tokenIds }) => tokenIds.length)),
    },
    precision: manifest.precision,
    int8Linears: false,
  };
}

interface Model {
  readonly config: ModelConfig;
  readonly prepared: readonly PreparedPrompt[];
  readonly manifest: Manifest;
  readonly largest: LargestValues;
}

/** Embeddings of every prompt, with its pictures' features in their places. */
async function firstStreams(
  { graphs, tensors, precision }: LayerOptions,
  { config, prepared, manifest, largest }: Model,
): Promise<Threefold<Float32Array>[]> {
  const images = prepared.flatMap((prompt) => prompt.images);
  let features: Threefold<Float32Array>[] = [];
  if (config.vision !== null && images.length > 0) {
    const tensor = tensors.get(IMAGE_NEWLINE);
    const newline = await tensor.read(0, tensor.numElements);
    const options = { graphs, tensors, precision, vision: config.vision, newline };
    features = await threefoldFeatures(options, images, largest);
  }
  const streams: Threefold<Float32Array>[] = [];
  for (const prompt of prepared) {
    const own = features.splice(0, prompt.images.length);
    const { exact, quantized } = await probeEmbeddings(tensors, prompt.tokenIds, {
      ...{ precision, blockSize: graphs.blockSize },
    });
    const stream = { exact, stored: quantized, half: quantized.slice() };
    for (const way of WAYS) {
      const rows = own.map((feature) => feature[way]);
      placeFeatures(stream[way], rows, { tokenIds: prompt.tokenIds, image: manifest.tokens.image });
    }
    streams.push(stream);
  }
  return streams;
}

/** Writes features over the placeholders' embeddings, in order. */
function placeFeatures(
  stream: Float32Array,
  features: readonly Float32Array[],
  { tokenIds, image }: { tokenIds: readonly number[]; image: number | null },
): void {
  const hiddenSize = stream.length / tokenIds.length;
  const places = tokenIds.flatMap((id, position) => (id === image ? [position] : []));
  let next = 0;
  for (const packed of features) {
    for (let at = 0; at < packed.length; at += hiddenSize, next++) {
      stream.set(packed.subarray(at, at + hiddenSize), places[next]! * hiddenSize);
    }
  }
}

/** The last position of every stream, [numPrompts, hiddenSize]. */
function lastRows(streams: readonly Float32Array[], { text }: ModelConfig): Float32Array {
  const rows = new Float32Array(streams.length * text.hiddenSize);
  for (const [prompt, stream] of streams.entries()) {
    rows.set(stream.subarray(-text.hiddenSize), prompt * text.hiddenSize);
  }
  return rows;
}
