import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { packImageFeatures } from '../../../../src/engine/runtime/feature-packing.ts';
import { RuntimeError } from '../../../../src/engine/runtime/session.ts';
import { countImageTokens } from '../../../../src/package/anyres-geometry.ts';
import { Random } from '../../../helpers/random.ts';

const HIDDEN = 2;
const NEWLINE = Float32Array.of(-1, -2);

interface Geometry {
  readonly gridRows: number;
  readonly gridColumns: number;
  readonly patchesPerSide: number;
  readonly originalHeight: number;
  readonly originalWidth: number;
}

/**
 * The slow definition: writes the tiles into one grid of features, one feature at a time, cuts rows or columns off as
 * transformers' unpad_image does, and reads the rest row by row.
 */
function packSlowly(
  geometry: Geometry,
  feature: (tile: number, index: number) => number[],
): number[] {
  const { gridRows, gridColumns, patchesPerSide: side } = geometry;
  const { originalHeight: height, originalWidth: width } = geometry;
  const packed: number[] = [];
  for (let index = 0; index < side * side; index += 1) packed.push(...feature(0, index));
  if (gridRows === 0) return [...packed, ...NEWLINE];
  let stitched = Array.from({ length: gridRows * side }, (_, y) =>
    Array.from({ length: gridColumns * side }, (_, x) => {
      const tile = 1 + Math.floor(y / side) * gridColumns + Math.floor(x / side);
      return feature(tile, (y % side) * side + (x % side));
    }),
  );
  const rows = stitched.length;
  const columns = stitched[0]!.length;
  const round7 = (value: number): number => Math.trunc(Math.round(value * 1e7) / 1e7);
  if (width / height > columns / rows) {
    const border = Math.floor((rows - round7(height * (columns / width))) / 2);
    stitched = stitched.slice(border, rows - border);
  } else {
    const border = Math.floor((columns - round7(width * (rows / height))) / 2);
    stitched = stitched.map((row) => row.slice(border, columns - border));
  }
  for (const row of stitched) packed.push(...row.flat(), ...NEWLINE);
  return packed;
}

function makeTiles(geometry: Geometry) {
  const numTiles = 1 + geometry.gridRows * geometry.gridColumns;
  const perTile = geometry.patchesPerSide ** 2;
  const features = new Float32Array(numTiles * perTile * HIDDEN);
  const feature = (tile: number, index: number): number[] => {
    const at = (tile * perTile + index) * HIDDEN;
    return [...features.subarray(at, at + HIDDEN)];
  };
  features.forEach((_, index) => {
    features[index] = index + 1;
  });
  const image = { ...geometry, numTiles, numTokens: countImageTokens(geometry) };
  return { image, features, feature };
}

describe('packImageFeatures', () => {
  test('equals the slow definition for 300 images of all shapes', () => {
    const random = new Random(3);
    for (let index = 0; index < 300; index += 1) {
      const geometry: Geometry = {
        gridRows: 1 + random.below(4),
        gridColumns: 1 + random.below(4),
        patchesPerSide: 1 + random.below(6),
        originalHeight: 1 + random.below(900),
        originalWidth: 1 + random.below(900),
      };
      const { image, features, feature } = makeTiles(geometry);
      const { patchesPerSide } = geometry;
      const packed = packImageFeatures({ image, features, patchesPerSide, newline: NEWLINE });
      assert.deepEqual([...packed], packSlowly(geometry, feature), JSON.stringify(geometry));
    }
  });

  test('reads each row of features across the tiles of an image', () => {
    const geometry = {
      gridRows: 1,
      gridColumns: 2,
      patchesPerSide: 2,
      originalHeight: 10,
      originalWidth: 20,
    };
    const { image } = makeTiles(geometry);
    const features = Float32Array.from([0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]);
    const packed = packImageFeatures({
      image,
      features,
      patchesPerSide: 2,
      newline: Float32Array.of(99),
    });
    assert.deepEqual([...packed], [0, 1, 2, 3, 10, 11, 20, 21, 99, 12, 13, 22, 23, 99]);
  });

  test('puts one newline after an image of the base tile alone', () => {
    const geometry = {
      gridRows: 0,
      gridColumns: 0,
      patchesPerSide: 2,
      originalHeight: 5,
      originalWidth: 5,
    };
    const { image, features } = makeTiles(geometry);
    const packed = packImageFeatures({ image, features, patchesPerSide: 2, newline: NEWLINE });
    assert.deepEqual([...packed], [1, 2, 3, 4, 5, 6, 7, 8, -1, -2]);
  });

  const square = {
    gridRows: 2,
    gridColumns: 2,
    patchesPerSide: 2,
    originalHeight: 8,
    originalWidth: 8,
  };

  test('rejects a feature count that differs from the prompt, with both numbers', () => {
    const { image, features } = makeTiles(square);
    for (const numTokens of [image.numTokens - 1, image.numTokens + 1]) {
      const wrong = { ...image, numTokens };
      assert.throws(
        () => packImageFeatures({ image: wrong, features, patchesPerSide: 2, newline: NEWLINE }),
        (error) =>
          error instanceof RuntimeError &&
          error.message.includes(`${image.numTokens} features`) &&
          error.message.includes(`${numTokens} placeholders`),
      );
    }
  });

  test('rejects tiles or features that do not fit the grid, with both numbers', () => {
    const { image, features } = makeTiles(square);
    const options = { image, features, patchesPerSide: 2, newline: NEWLINE };
    assert.throws(
      () => packImageFeatures({ ...options, image: { ...image, numTiles: 4 } }),
      /are 5 tiles, but the image has 4/,
    );
    assert.throws(
      () => packImageFeatures({ ...options, features: features.subarray(1) }),
      /40 feature elements, got 39/,
    );
  });
});
