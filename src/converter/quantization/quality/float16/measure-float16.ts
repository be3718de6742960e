import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Backend } from '../../../../engine/runtime/session.ts';
import type { ProbeTokens } from '../../../../engine/thinking/probe.ts';
import { hasDecisionPoint } from '../../../../engine/thinking/protocol-tokens.ts';
import { DEFAULT_BLOCK_SIZE, type Manifest } from '../../../../package/manifest.ts';
import { createChatFormatter } from '../../../../server/prompt/formatter.ts';
import { openCheckpointWeights } from '../../../checkpoint/checkpoint-weights.ts';
import { IMAGE_NEWLINE } from '../../../checkpoint/expected-tensors.ts';
import { type ModelTensors, matchTensors } from '../../../checkpoint/match-tensors.ts';
import { type ModelConfig, readModelConfig } from '../../../config/model-config.ts';
import {
  type CalibrationPrompt,
  readerOf,
  type WrittenPrompt,
  writePrompts,
} from '../calibration-prompts.ts';
import { embeddingsOf } from '../sample-text.ts';
import { type LargestValue, LargestValues } from './largest-values.ts';
import { compareOutcomes, type Float16Outcome } from './outcome.ts';
import {
  type DecoderTrial,
  mapRuns,
  RUN_NAMES,
  runDecoderLayer,
  runHead,
  runVision,
  type ThreeRuns,
} from './three-runs.ts';
/**
 * Measures the error of float16 arithmetic on a GPU. Prompts run through a model three times: the checkpoint's weights in
 * float32 (reference), the package's weights in float32 (dequantized), and the package's weights with the types of a GPU
 * graph (fp16; see onnx/graph-target.ts and emulated-graph.ts). One layer is in memory at once.
 */

export interface Float16Report extends Float16Outcome {
  readonly largest: readonly LargestValue[];
}

export interface Float16Options {
  readonly checkpointDir: string;
  /** The package that was converted from the checkpoint. */
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly prompts: readonly CalibrationPrompt[];
  readonly backend: Backend;
  /** Existing folder for temporary graphs. */
  readonly scratchParent: string;
  readonly numThreads: number;
  /** Receives the finished steps: one per layer, one for the images and one for the head. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws ConvertError for an unusable checkpoint, Error for a prompt that cannot be rendered, RuntimeError when a graph fails */
export async function measureFloat16(options: Float16Options): Promise<Float16Report> {
  const { checkpointDir, manifest, onProgress } = options;
  const config = await readModelConfig(checkpointDir);
  const { written, probe } = await writeTrial(options);
  const weights = await openCheckpointWeights(checkpointDir);
  try {
    const tensors = await matchTensors(config, weights.tensors);
    const trial = trialOf(options, { config, tensors, written });
    const { numLayers } = config.text;
    const steps = numLayers + 2;
    onProgress?.(0, steps);
    let streams = await firstStreams(trial, { config, written, manifest });
    for (let layer = 0; layer < numLayers; layer++) {
      onProgress?.(layer + 1, steps);
      streams = await runDecoderLayer(trial, layer, streams);
    }
    onProgress?.(steps - 1, steps);
    const last = mapRuns((run) =>
      lastRows(
        streams.map((stream) => stream[run]),
        config,
      ),
    );
    const logits = await runHead(trial, last);
    onProgress?.(steps, steps);
    return { ...compareOutcomes(written, logits, probe), largest: trial.largest.all };
  } finally {
    await weights.close();
  }
}

/** Renders the prompts. @returns them with the tokens of the decision point, null without one */
async function writeTrial({
  packageDir,
  manifest,
  prompts,
  signal = new AbortController().signal,
}: Float16Options): Promise<{ written: readonly WrittenPrompt[]; probe: ProbeTokens | null }> {
  const formatter = await createChatFormatter({ packageDir, manifest });
  try {
    const written = await writePrompts(prompts, { formatter, manifest, signal });
    const { probe } = readerOf(manifest, formatter.tokenizer);
    return { written, probe: hasDecisionPoint(manifest.thinking) ? probe : null };
  } finally {
    await formatter.close();
  }
}

function trialOf(
  { manifest, backend, scratchParent, numThreads, signal }: Float16Options,
  { config, tensors, written }: Pick<Model, 'config' | 'written'> & { tensors: ModelTensors },
): DecoderTrial {
  const scratchDir = join(scratchParent, `.quality-${randomUUID()}`);
  return {
    graphs: {
      ...{ backend, scratchDir, numThreads, signal },
      blockSize: manifest.blockSize ?? DEFAULT_BLOCK_SIZE,
    },
    tensors,
    text: {
      ...config.text,
      maxPositions: Math.max(...written.map(({ prompt }) => prompt.promptTokenIds.length)),
    },
    precision: manifest.precision,
    int8Linears: false,
    stream: manifest.gpuStream ?? 'float32',
    largest: new LargestValues(),
  };
}

interface Model {
  readonly config: ModelConfig;
  readonly written: readonly WrittenPrompt[];
  readonly manifest: Manifest;
}

/** Embeddings of every prompt, with image features in place of the placeholders. */
async function firstStreams(
  { graphs, tensors, precision, stream: type, largest }: DecoderTrial,
  { config, written, manifest }: Model,
): Promise<ThreeRuns<Float32Array>[]> {
  const images = written.flatMap(({ prompt }) => prompt.images);
  let features: ThreeRuns<Float32Array>[] = [];
  if (config.vision !== null && images.length > 0) {
    const tensor = tensors.get(IMAGE_NEWLINE);
    const newline = await tensor.read(0, tensor.numElements);
    const options = { graphs, tensors, precision, stream: type, largest };
    features = await runVision({ ...options, vision: config.vision, newline }, images);
  }
  const streams: ThreeRuns<Float32Array>[] = [];
  for (const { prompt } of written) {
    const tokenIds = [...prompt.promptTokenIds];
    const own = features.splice(0, prompt.images.length);
    const { reference, quantized } = await embeddingsOf(tensors, tokenIds, {
      ...{ precision, blockSize: graphs.blockSize },
    });
    const stream = { reference, dequantized: quantized, fp16: quantized.slice() };
    for (const run of RUN_NAMES) {
      const rows = own.map((feature) => feature[run]);
      placeFeatures(stream[run], rows, { tokenIds, image: manifest.tokens.image });
    }
    streams.push(stream);
  }
  return streams;
}

/** Replaces the placeholders' embeddings by features, in order. */
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
