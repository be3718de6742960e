/** Images through the vision tower in three ways, tile by tile. */
import type { TiledImage } from '../../../engine/model-runner.ts';
import { packImageFeatures } from '../../../engine/runtime/feature-packing.ts';
import { VISION_IO } from '../../../package/graph-io.ts';
import { DEFAULT_BLOCK_SIZE, type Precision, type StreamType } from '../../../package/manifest.ts';
import type { ModelTensors } from '../../checkpoint/match-tensors.ts';
import type { ModelConfig } from '../../config/model-config.ts';
import { visionGraph } from '../../graphs/vision-graph.ts';
import { visionForm } from '../../model-graphs.ts';
import type { GraphRun, TemporaryGraphs } from '../temporary-graph.ts';
import type { LargestValues } from './largest-values.ts';
import { mapWays, runThreefold, type Threefold, threefoldRoom } from './threefold.ts';

export interface VisionOptions {
  readonly graphs: TemporaryGraphs;
  readonly tensors: ModelTensors;
  readonly precision: Precision;
  /** Type of the residual stream in the GPU's graph. */
  readonly stream: StreamType;
  readonly largest: LargestValues;
  readonly vision: NonNullable<ModelConfig['vision']>;
  /** float32 [hiddenSize] of the decoder */
  readonly newline: Float32Array;
}

/** @returns every image's features as the prompt takes them, [image.numTokens, hiddenSize] */
export async function threefoldFeatures(
  { graphs, tensors, precision, stream, largest, vision, newline }: VisionOptions,
  images: readonly TiledImage[],
): Promise<Threefold<Float32Array>[]> {
  const { patchesPerSide } = vision.tower;
  const tileElements = patchesPerSide ** 2 * newline.length;
  const features = images.map(({ numTiles }) => threefoldRoom(numTiles * tileElements));
  const runs = mapWays((way) =>
    images.flatMap((image, i) => tileRuns(image, features[i]![way], newline.length)),
  );
  const found = await runThreefold(
    // As in model-graphs.ts, whatever the decoder's blocks are.
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
    mapWays((way) =>
      packImageFeatures({ image, features: features[i]![way], patchesPerSide, newline }),
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
