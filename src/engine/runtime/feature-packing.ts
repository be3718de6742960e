import { unpaddedGrid } from '../../package/anyres-geometry.ts';
import type { TiledImage } from '../model-runner.ts';
import { RuntimeError } from './session.ts';

type ImageGeometry = Omit<TiledImage, 'hash' | 'tiles'>;

export interface PackingOptions {
  readonly image: ImageGeometry;
  /** float32 [numTiles, patchesPerSide², hiddenSize], tile 0 the base */
  readonly features: Float32Array;
  readonly patchesPerSide: number;
  /** float32 [hiddenSize] */
  readonly newline: Float32Array;
}

/**
 * Puts an image's features in prompt order (LLaVA-NeXT's spatial packing): the base tile, then the stitched grid without
 * the image's padding, with a newline feature at the end of every row. One newline follows an image of the base tile
 * alone.
 * @returns float32 [image.numTokens, hiddenSize]
 * @throws RuntimeError when the features or the number of tokens do not fit the image
 */
export function packImageFeatures(options: PackingOptions): Float32Array {
  const { image, features, patchesPerSide, newline } = options;
  const hiddenSize = newline.length;
  const tileElements = patchesPerSide * patchesPerSide * hiddenSize;
  checkTiles(image, features.length, tileElements);
  const parts = [features.subarray(0, tileElements)];
  if (image.gridRows === 0) {
    parts.push(newline);
  } else {
    const grid = features.subarray(tileElements);
    const crop = unpaddedGrid({ ...image, patchesPerSide });
    for (let row = crop.top; row < crop.bottom; row += 1) {
      for (const run of rowRuns(row, crop.left, crop.right, { image, patchesPerSide })) {
        parts.push(grid.subarray(run.first * hiddenSize, run.end * hiddenSize));
      }
      parts.push(newline);
    }
  }
  const numRows = parts.reduce((sum, { length }) => sum + length, 0) / hiddenSize;
  if (numRows !== image.numTokens) {
    throw new RuntimeError(
      `The image packs into ${numRows} features, but its prompt has ${image.numTokens} placeholders.`,
    );
  }
  const packed = new Float32Array(numRows * hiddenSize);
  let offset = 0;
  for (const part of parts) {
    packed.set(part, offset);
    offset += part.length;
  }
  return packed;
}

interface GridLayout {
  readonly image: ImageGeometry;
  readonly patchesPerSide: number;
}

/** Yields the pieces of one stitched row, one per tile it crosses, as ranges of features in tile order. */
function* rowRuns(
  row: number,
  left: number,
  right: number,
  { image, patchesPerSide }: GridLayout,
): Generator<{ first: number; end: number }> {
  const tileRow = Math.floor(row / patchesPerSide);
  const rowInTile = row % patchesPerSide;
  for (let column = left; column < right; ) {
    const tileColumn = Math.floor(column / patchesPerSide);
    const end = Math.min(right, (tileColumn + 1) * patchesPerSide);
    const tile = tileRow * image.gridColumns + tileColumn;
    const rowStart = (tile * patchesPerSide + rowInTile) * patchesPerSide;
    const offset = tileColumn * patchesPerSide;
    yield { first: rowStart + column - offset, end: rowStart + end - offset };
    column = end;
  }
}

function checkTiles(image: ImageGeometry, numElements: number, tileElements: number): void {
  const tiles = 1 + image.gridRows * image.gridColumns;
  if (image.numTiles !== tiles) {
    throw new RuntimeError(
      `A ${image.gridRows} x ${image.gridColumns} grid and its base are ${tiles} tiles, ` +
        `but the image has ${image.numTiles}.`,
    );
  }
  if (numElements !== tiles * tileElements) {
    throw new RuntimeError(
      `${tiles} tiles have ${tiles * tileElements} feature elements, got ${numElements}.`,
    );
  }
}
