import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { VISION_IO } from '../../package/graph-io.ts';
import type { VisionShape } from '../../package/manifest.ts';
import type { TiledImage } from '../model-runner.ts';
import { packImageFeatures } from './feature-packing.ts';
import { RuntimeError, type Session } from './session.ts';

export interface VisionEncoderOptions {
  readonly session: Session;
  readonly vision: VisionShape;
  /** Width of a feature: the text model's hidden size. */
  readonly hiddenSize: number;
  /** float32 [hiddenSize] */
  readonly newline: Float32Array;
}

/** Runs the vision graph (tower and projector) over AnyRes tiles and packs the features. */
export class VisionEncoder {
  readonly #options: VisionEncoderOptions;

  constructor(options: VisionEncoderOptions) {
    this.#options = options;
  }

  /**
   * @returns float32 [count, featuresPerTile, hiddenSize] of tiles `first` to `first + count - 1`
   * @throws RuntimeError when the tiles are not those of the image, or the image has fewer
   */
  async encodeTiles(
    image: TiledImage,
    first: number,
    count: number,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const { session, vision, hiddenSize } = this.#options;
    const tileBytes = vision.tileSize * vision.tileSize * 3;
    if (image.tiles.length !== image.numTiles * tileBytes) {
      throw new RuntimeError(
        `${image.numTiles} tiles of ${vision.tileSize} x ${vision.tileSize} pixels have ` +
          `${image.numTiles * tileBytes} bytes, got ${image.tiles.length}.`,
      );
    }
    if (first < 0 || count < 1 || first + count > image.numTiles) {
      throw new RuntimeError(
        `Tiles ${first} to ${first + count - 1} were asked for, but the image has ${image.numTiles}.`,
      );
    }
    const featuresPerTile = vision.patchesPerSide * vision.patchesPerSide;
    const features = new Float32Array(count * featuresPerTile * hiddenSize);
    const tiles = image.tiles.subarray(first * tileBytes, (first + count) * tileBytes);
    await session.run(
      {
        [VISION_IO.tiles]: {
          type: 'uint8',
          dims: [count, vision.tileSize, vision.tileSize, 3],
          data: tiles,
        },
      },
      {
        [VISION_IO.features]: {
          type: 'float32',
          dims: [count, featuresPerTile, hiddenSize],
          data: features,
        },
      },
      signal,
    );
    return features;
  }

  packFeatures(image: TiledImage, features: Float32Array): Float32Array {
    const { vision, newline } = this.#options;
    return packImageFeatures({ image, features, patchesPerSide: vision.patchesPerSide, newline });
  }

  dispose(): Promise<void> {
    return this.#options.session.dispose();
  }
}

/**
 * Reads the newline feature, float32 little-endian [hiddenSize].
 * @throws RuntimeError naming the file and both sizes when its length differs
 */
export async function readNewline(path: string, hiddenSize: number): Promise<Float32Array> {
  const file = await readFile(path);
  const expected = hiddenSize * Float32Array.BYTES_PER_ELEMENT;
  if (file.length !== expected) {
    throw new RuntimeError(`${path} has ${file.length} bytes, expected ${expected}.`);
  }
  if (endianness() === 'BE') file.swap32();
  const newline = new Float32Array(hiddenSize);
  new Uint8Array(newline.buffer).set(file);
  return newline;
}
