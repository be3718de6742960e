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
  const packed = new RowWriter(image.numTokens, hiddenSize);
  packed.write(features.subarray(0, tileElements));
  if (image.gridRows === 0) {
    packed.write(newline);
  } else {
    const grid = features.subarray(tileElements);
    const crop = unpaddedGrid({ ...image, patchesPerSide });
    for (let row = crop.top; row < crop.bottom; row += 1) {
      for (const run of rowRuns(row, crop.left, crop.right, { image, patchesPerSide })) {
        packed.write(grid.subarray(run.first * hiddenSize, run.end * hiddenSize));
      }
      packed.write(newline);
    }
  }
  return packed.finish();
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

/** Appends rows to memory of a known size. It counts on when the memory is full, so that the error names both numbers. */
class RowWriter {
  readonly #rows: Float32Array;
  readonly #hiddenSize: number;
  readonly #numRows: number;
  #written = 0;

  constructor(numRows: number, hiddenSize: number) {
    this.#numRows = numRows;
    this.#hiddenSize = hiddenSize;
    this.#rows = new Float32Array(numRows * hiddenSize);
  }

  write(rows: Float32Array): void {
    const start = this.#written * this.#hiddenSize;
    if (start + rows.length <= this.#rows.length) this.#rows.set(rows, start);
    this.#written += rows.length / this.#hiddenSize;
  }

  finish(): Float32Array {
    if (this.#written !== this.#numRows) {
      throw new RuntimeError(
        `The image packs into ${this.#written} features, but its prompt has ${this.#numRows} placeholders.`,
      );
    }
    return this.#rows;
  }
}
