/**
 * AnyRes geometry of LLaVA-NeXT: how an image fits a grid of tiles, and which features of the tiles remain without the
 * padding. It is pure arithmetic on sizes. The server cuts pixels with it and the engine packs features with it, so both
 * agree on the number of tokens.
 *
 * The order of the floating point operations is that of transformers' LlavaOnevision code: a different order gives
 * other sizes for some images.
 */

export interface PixelSize {
  readonly height: number;
  readonly width: number;
}

/** Black border in pixels around the resized image. */
export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Half-open ranges [top, bottom) of rows and [left, right) of columns. */
export interface FeatureCrop {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Grid of tiles of one image. `gridRows` and `gridColumns` are 0 when there is only the base tile. */
export interface TileGrid {
  readonly gridRows: number;
  readonly gridColumns: number;
  /** Features along one side of a tile. */
  readonly patchesPerSide: number;
  /** Size of the image in pixels before tiling. */
  readonly originalHeight: number;
  readonly originalWidth: number;
}

/**
 * Best resolution: the candidate that keeps most of the image's pixels; among equals the one that wastes least; among
 * those the first.
 * @param pinpoints candidates as [height, width] in pixels, at least one
 * @returns [gridHeightPx, gridWidthPx]
 */
export function chooseGrid(
  height: number,
  width: number,
  pinpoints: readonly (readonly [number, number])[],
): [number, number] {
  let best: readonly [number, number] | undefined;
  let bestEffective = -1;
  let bestWasted = Number.POSITIVE_INFINITY;
  for (const candidate of pinpoints) {
    const [gridHeight, gridWidth] = candidate;
    const scale = Math.min(gridWidth / width, gridHeight / height);
    const scaledArea = Math.trunc(width * scale) * Math.trunc(height * scale);
    const effective = Math.min(scaledArea, width * height);
    const wasted = gridWidth * gridHeight - effective;
    if (effective > bestEffective || (effective === bestEffective && wasted < bestWasted)) {
      best = candidate;
      bestEffective = effective;
      bestWasted = wasted;
    }
  }
  if (best === undefined) throw new RangeError('The list of grid pinpoints is empty.');
  return [best[0], best[1]];
}

/** The largest size within the grid that keeps the image's aspect ratio. */
export function resizedSize(
  height: number,
  width: number,
  gridHeightPx: number,
  gridWidthPx: number,
): PixelSize {
  const scaleWidth = gridWidthPx / width;
  const scaleHeight = gridHeightPx / height;
  if (scaleWidth < scaleHeight) {
    return { height: Math.min(Math.ceil(height * scaleWidth), gridHeightPx), width: gridWidthPx };
  }
  return { height: gridHeightPx, width: Math.min(Math.ceil(width * scaleHeight), gridWidthPx) };
}

/** Border that centres the resized image in the grid; an odd pixel goes to the bottom and to the right. */
export function padding(
  resizedHeight: number,
  resizedWidth: number,
  gridHeightPx: number,
  gridWidthPx: number,
): Padding {
  const vertical = gridHeightPx - resizedHeight;
  const horizontal = gridWidthPx - resizedWidth;
  const top = Math.floor(vertical / 2);
  const left = Math.floor(horizontal / 2);
  return { top, bottom: vertical - top, left, right: horizontal - left };
}

/**
 * Features of the stitched grid (gridRows·patchesPerSide rows, gridColumns·patchesPerSide columns) that show the
 * image and not its padding.
 */
export function unpaddedGrid(grid: TileGrid): FeatureCrop {
  const rows = grid.gridRows * grid.patchesPerSide;
  const columns = grid.gridColumns * grid.patchesPerSide;
  const { originalHeight, originalWidth } = grid;
  if (originalWidth / originalHeight > columns / rows) {
    const kept = truncateRounded(originalHeight * (columns / originalWidth));
    const border = Math.floor((rows - kept) / 2);
    return { top: border, bottom: rows - border, left: 0, right: columns };
  }
  const kept = truncateRounded(originalWidth * (rows / originalHeight));
  const border = Math.floor((columns - kept) / 2);
  return { top: 0, bottom: rows, left: border, right: columns - border };
}

/**
 * Number of tokens of an image: the features of the base tile, then every unpadded row and a newline after it. An image
 * with only the base tile has one newline.
 */
export function countImageTokens(grid: TileGrid): number {
  const base = grid.patchesPerSide * grid.patchesPerSide;
  if (grid.gridRows === 0 || grid.gridColumns === 0) return base + 1;
  const crop = unpaddedGrid(grid);
  const rows = crop.bottom - crop.top;
  return base + rows * (crop.right - crop.left) + rows;
}

/** Python's `int(round(value, 7))`: the rounding removes floating point errors just below an integer. */
function truncateRounded(value: number): number {
  return Math.trunc(Number(value.toFixed(7)));
}
