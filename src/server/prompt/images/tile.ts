import { createHash } from 'node:crypto';
import type { TiledImage } from '../../../engine/model-runner.ts';
import {
  chooseGrid,
  countImageTokens,
  padding,
  resizedSize,
} from '../../../package/anyres-geometry.ts';
import type { VisionShape } from '../../../package/manifest.ts';
import { type RgbImage, resizeRgb } from './resize.ts';

export type TilingShape = Pick<
  VisionShape,
  'tileSize' | 'patchesPerSide' | 'gridPinpoints' | 'resample'
>;

/**
 * Cuts an image into AnyRes tiles: tile 0 is the whole image squeezed into one tile, then comes the image fitted
 * into its best grid with its aspect ratio kept, centred on black, row by row.
 * @param maxTiles most tiles of the grid; where no grid is that small there is only tile 0. null sets no limit
 */
export function tileImage(
  image: RgbImage,
  shape: TilingShape,
  maxTiles: number | null = null,
): TiledImage {
  const { tileSize, resample } = shape;
  const base = resizeRgb(image, tileSize, tileSize, resample);
  const canvas = fitIntoGrid(image, { ...shape, gridPinpoints: gridsWithin(shape, maxTiles) });
  const gridRows = canvas === null ? 0 : canvas.height / tileSize;
  const gridColumns = canvas === null ? 0 : canvas.width / tileSize;
  const numTiles = 1 + gridRows * gridColumns;
  const tileBytes = tileSize * tileSize * 3;
  const tiles = new Uint8Array(numTiles * tileBytes);
  tiles.set(base.data);
  if (canvas !== null) {
    for (let index = 1; index < numTiles; index += 1) {
      const row = Math.floor((index - 1) / gridColumns);
      const column = (index - 1) % gridColumns;
      const target = tiles.subarray(index * tileBytes, (index + 1) * tileBytes);
      copyTile(canvas, { top: row * tileSize, left: column * tileSize }, target);
    }
  }
  const geometry = {
    gridRows,
    gridColumns,
    originalHeight: image.height,
    originalWidth: image.width,
  };
  const numTokens = countImageTokens({ ...geometry, patchesPerSide: shape.patchesPerSide });
  const hash = createHash('sha256')
    .update(JSON.stringify([tileSize, gridRows, gridColumns, image.height, image.width]))
    .update(tiles)
    .digest('hex');
  return { hash, tiles, numTiles, ...geometry, numTokens };
}

function gridsWithin(
  { gridPinpoints, tileSize }: TilingShape,
  maxTiles: number | null,
): TilingShape['gridPinpoints'] {
  if (maxTiles === null) return gridPinpoints;
  return gridPinpoints.filter(([height, width]) => height * width <= maxTiles * tileSize ** 2);
}

/** @returns null where there is no grid */
function fitIntoGrid(
  image: RgbImage,
  { gridPinpoints, resample }: Pick<TilingShape, 'gridPinpoints' | 'resample'>,
): RgbImage | null {
  if (gridPinpoints.length === 0) return null;
  const [height, width] = chooseGrid(image.height, image.width, gridPinpoints);
  const fitted = resizedSize(image.height, image.width, height, width);
  const resized = resizeRgb(image, fitted.width, fitted.height, resample);
  const { top, left } = padding(fitted.height, fitted.width, height, width);
  const data = new Uint8Array(width * height * 3);
  const rowBytes = fitted.width * 3;
  for (let row = 0; row < fitted.height; row += 1) {
    const source = resized.data.subarray(row * rowBytes, (row + 1) * rowBytes);
    data.set(source, ((top + row) * width + left) * 3);
  }
  return { width, height, data };
}

function copyTile(
  canvas: RgbImage,
  { top, left }: { readonly top: number; readonly left: number },
  target: Uint8Array,
): void {
  const side = Math.sqrt(target.length / 3);
  for (let row = 0; row < side; row += 1) {
    const start = ((top + row) * canvas.width + left) * 3;
    target.set(canvas.data.subarray(start, start + side * 3), row * side * 3);
  }
}
