import type { TiledImage } from '../../../../engine/model-runner.ts';
import { packImageFeatures } from '../../../../engine/runtime/feature-packing.ts';
import { VISION_IO } from '../../../../package/graph-io.ts';
import {
  DEFAULT_BLOCK_SIZE,
  type Precision,
  type StreamType,
} from '../../../../package/manifest.ts';
import type { ModelTensors } from '../../../checkpoint/match-tensors.ts';
import type { ModelConfig } from '../../../config/model-config.ts';
import { headGraph, singleLayerGraph } from '../../../onnx/decoder-graph.ts';
import { GraphBuilder } from '../../../onnx/graph-builder.ts';
import { CPU_TARGET, type GraphTarget, gpuTarget } from '../../../onnx/graph-target.ts';
import { visionForm } from '../../../onnx/model-graphs.ts';
import { visionGraph } from '../../../onnx/vision-graph.ts';
import type { WeightStore } from '../../../weights/weight-store.ts';
import type { LayerOptions } from '../decoder-errors.ts';
import { headPieces, headRun, layerRun, withHeadPiece } from '../decoder-runs.ts';
import { type GraphRun, runTemporaryGraphs, type TemporaryGraphs } from '../temporary-graph.ts';
import { EmulatedGraph, LARGEST_OUTPUT } from './emulated-graph.ts';
import type { LargestValues, Magnitudes } from './largest-values.ts';

/**
 * Runs the vision tower, the layers and the head three times: as reference, dequantized and in fp16. One layer, or one
 * piece of the head, is in memory at once.
 */

/** One value for each run. */
export interface ThreeRuns<T> {
  /** The checkpoint's weights in float32. */
  readonly reference: T;
  /** The package's weights in float32. */
  readonly dequantized: T;
  /** The package's weights with a GPU's float16 arithmetic. */
  readonly fp16: T;
}

export const RUN_NAMES = ['reference', 'dequantized', 'fp16'] as const;

export interface MeasuredGraph {
  /** Type of the residual stream in the GPU graph. */
  readonly stream: StreamType;
  /** Precision of the graph's linears in the package. */
  readonly form: Precision;
  /** Adds the nodes to `graph`. */
  build(options: {
    readonly graph: GraphBuilder;
    readonly weights: WeightStore;
    readonly form: Precision;
    readonly target: GraphTarget;
  }): void;
}

/** Runs the graph three times. The fetches hold the results. @returns the magnitudes of the dequantized run */
export async function runThreeTimes(
  graphs: TemporaryGraphs,
  tensors: ModelTensors,
  { form, stream, build }: MeasuredGraph,
  runs: ThreeRuns<readonly GraphRun[]>,
): Promise<Magnitudes> {
  // The CPU's attention kernel does not norm q and k.
  const target: GraphTarget = { ...gpuTarget(stream), headNorms: 'separate' };
  let names: readonly string[] = [];
  const magnitudes: Float32Array[] = [];
  const measuring = (run: GraphRun): GraphRun => {
    const data = new Float32Array(names.length);
    magnitudes.push(data);
    const largest = { type: 'float32', dims: [names.length], data } as const;
    return { feeds: run.feeds, fetches: { ...run.fetches, [LARGEST_OUTPUT]: largest } };
  };
  await runTemporaryGraphs(graphs, tensors, [
    (weights) => {
      const graph = new GraphBuilder('reference');
      build({ graph, weights, form: 'fp32', target: CPU_TARGET });
      return { graph, runs: runs.reference };
    },
    (weights) => {
      const graph = new EmulatedGraph('dequantized', 'float32');
      build({ graph, weights, form, target });
      names = graph.measured();
      return { graph, runs: runs.dequantized.map(measuring) };
    },
    (weights) => {
      const graph = new EmulatedGraph('fp16', 'float16');
      build({ graph, weights, form, target });
      return { graph, runs: runs.fp16 };
    },
  ]);
  return { names, runs: magnitudes };
}

/** A float32 buffer of the same length for each run. */
export function newBuffers(length: number): ThreeRuns<Float32Array> {
  return mapRuns(() => new Float32Array(length));
}

/** Makes one value for each run. */
export function mapRuns<T>(make: (run: keyof ThreeRuns<T>) => T): ThreeRuns<T> {
  return { reference: make('reference'), dequantized: make('dequantized'), fp16: make('fp16') };
}

export interface VisionOptions {
  readonly graphs: TemporaryGraphs;
  readonly tensors: ModelTensors;
  readonly precision: Precision;
  /** Type of the residual stream in the GPU graph. */
  readonly stream: StreamType;
  readonly largest: LargestValues;
  readonly vision: NonNullable<ModelConfig['vision']>;
  /** float32 [hiddenSize] of the decoder */
  readonly newline: Float32Array;
}

/** Runs the vision tower, tile by tile. @returns the packed features of every image, [image.numTokens, hiddenSize] */
export async function runVision(
  { graphs, tensors, precision, stream, largest, vision, newline }: VisionOptions,
  images: readonly TiledImage[],
): Promise<ThreeRuns<Float32Array>[]> {
  const { patchesPerSide } = vision.tower;
  const tileElements = patchesPerSide ** 2 * newline.length;
  const features = images.map(({ numTiles }) => newBuffers(numTiles * tileElements));
  const runs = mapRuns((run) =>
    images.flatMap((image, i) => tileRuns(image, features[i]![run], newline.length)),
  );
  const found = await runThreeTimes(
    // The vision tower always has the default block size, as in model-graphs.ts.
    { ...graphs, blockSize: DEFAULT_BLOCK_SIZE },
    tensors,
    {
      ...{ form: visionForm(precision), stream },
      build: (options) => visionGraph({ ...options, ...vision }),
    },
    runs,
  );
  largest.add('vision', found);
  return images.map((image, i) =>
    mapRuns((run) =>
      packImageFeatures({ image, features: features[i]![run], patchesPerSide, newline }),
    ),
  );
}

function tileRuns(
  { tiles, numTiles }: TiledImage,
  features: Float32Array,
  hiddenSize: number,
): GraphRun[] {
  const side = Math.sqrt(tiles.length / numTiles / 3);
  const size = tiles.length / numTiles;
  const numElements = features.length / numTiles;
  return Array.from({ length: numTiles }, (_, tile): GraphRun => {
    const data = features.subarray(tile * numElements, (tile + 1) * numElements);
    const dims = [1, numElements / hiddenSize, hiddenSize];
    return {
      feeds: {
        [VISION_IO.tiles]: {
          type: 'uint8',
          dims: [1, side, side, 3],
          data: tiles.subarray(tile * size, (tile + 1) * size),
        },
      },
      fetches: { [VISION_IO.features]: { type: 'float32', dims, data } },
    };
  });
}

export interface DecoderTrial extends LayerOptions {
  /** Type of the residual stream in the GPU graph. */
  readonly stream: StreamType;
  readonly largest: LargestValues;
}

/** @param before residual stream of every prompt, [numTokens, hiddenSize] @returns the streams after the layer */
export async function runDecoderLayer(
  { graphs, tensors, text, precision, stream, largest }: DecoderTrial,
  layer: number,
  before: readonly ThreeRuns<Float32Array>[],
): Promise<ThreeRuns<Float32Array>[]> {
  const after = before.map(({ reference }) => newBuffers(reference.length));
  const found = await runThreeTimes(
    graphs,
    tensors,
    {
      ...{ form: precision, stream },
      build: (options) => singleLayerGraph({ ...options, text }, layer),
    },
    mapRuns((run) =>
      before.map((streams, prompt) => layerRun(text, layer, streams[run], after[prompt]![run])),
    ),
  );
  largest.add('decoder', found);
  if (stream === 'float32') {
    for (const { dequantized } of after) largest.addStream(layer, dequantized);
  }
  return after;
}

/**
 * @param streams residual stream at one position of every prompt, [numPrompts, hiddenSize]
 * @returns logits, [numPrompts, vocabSize]
 */
export async function runHead(
  { graphs, tensors, text, precision, stream, largest }: DecoderTrial,
  streams: ThreeRuns<Float32Array>,
): Promise<ThreeRuns<Float32Array>> {
  const numRows = streams.reference.length / text.hiddenSize;
  const logits = newBuffers(numRows * text.vocabSize);
  for (const piece of headPieces(text.vocabSize)) {
    const head = mapRuns((run) => headRun(text, piece, streams[run]));
    const shape = { ...text, vocabSize: piece.count };
    const found = await runThreeTimes(
      graphs,
      withHeadPiece(tensors, piece),
      { form: precision, stream, build: (options) => headGraph({ ...options, text: shape }) },
      mapRuns((run) => [head[run].run]),
    );
    largest.add('decoder', found);
    for (const run of RUN_NAMES) {
      for (let row = 0; row < numRows; row++) {
        const part = head[run].logits.subarray(row * piece.count, (row + 1) * piece.count);
        logits[run].set(part, row * text.vocabSize + piece.first);
      }
    }
  }
  return logits;
}
