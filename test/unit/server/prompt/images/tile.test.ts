import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RgbImage } from '../../../../../src/server/prompt/images/resize.ts';
import { tileImage } from '../../../../../src/server/prompt/images/tile.ts';

const SIDE = 4;
const SHAPE = {
  tileSize: SIDE,
  patchesPerSide: 2,
  gridPinpoints: [
    [SIDE, SIDE],
    [SIDE, 2 * SIDE],
    [2 * SIDE, SIDE],
  ] as [number, number][],
  resample: 'bicubic',
} as const;

/** Left half red 200, right half red 50. */
function halves(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let index = 0; index < width * height; index += 1) {
    data[index * 3] = index % width < width / 2 ? 200 : 50;
  }
  return { width, height, data };
}

function redOf(tiles: Uint8Array, tile: number, y: number, x: number): number {
  return tiles[((tile * SIDE + y) * SIDE + x) * 3]!;
}

describe('AnyRes tiles', () => {
  it('are the whole image first, then the grid row by row', () => {
    const tiled = tileImage(halves(2 * SIDE, SIDE), SHAPE);
    assert.deepEqual(
      [tiled.numTiles, tiled.gridRows, tiled.gridColumns, tiled.tiles.length],
      [3, 1, 2, 3 * SIDE * SIDE * 3],
    );
    assert.ok(redOf(tiled.tiles, 0, 1, 0) > 150 && redOf(tiled.tiles, 0, 1, SIDE - 1) < 100);
    for (let x = 0; x < SIDE; x += 1) {
      assert.equal(redOf(tiled.tiles, 1, 2, x), 200);
      assert.equal(redOf(tiled.tiles, 2, 2, x), 50);
    }
  });

  for (const [height, reds] of [
    [3, [200, 200, 200, 0]],
    [2, [0, 200, 200, 0]],
    [1, [0, 200, 0, 0]],
  ] as const) {
    it(`centre an image ${height} of 4 rows high on black, an odd row of border below`, () => {
      const tiled = tileImage(halves(2 * SIDE, height), SHAPE);
      assert.equal(tiled.gridColumns, 2);
      const found = [0, 1, 2, 3].map((y) => redOf(tiled.tiles, 1, y, 0));
      assert.deepEqual(found, reds);
    });
  }

  it('keep the size of the image and count the tokens it takes', () => {
    const { originalHeight, originalWidth, numTokens } = tileImage(halves(2 * SIDE, SIDE), SHAPE);
    assert.deepEqual([originalHeight, originalWidth], [SIDE, 2 * SIDE]);
    // 4 of the base, 2 rows of 4 features and a newline each.
    assert.equal(numTokens, 4 + 2 * (4 + 1));
  });

  it('are the base tile alone for low detail, with one newline', () => {
    const tiled = tileImage(halves(2 * SIDE, SIDE), SHAPE, 0);
    assert.deepEqual(
      [tiled.numTiles, tiled.gridRows, tiled.gridColumns, tiled.numTokens],
      [1, 0, 0, 5],
    );
  });

  it('have equal hashes for equal images only', () => {
    const { hash } = tileImage(halves(9, 5), SHAPE);
    assert.match(hash, /^[0-9a-f]{64}$/);
    assert.equal(tileImage(halves(9, 5), SHAPE).hash, hash);
    const changed = halves(9, 5);
    changed.data[0] = 0;
    assert.notEqual(tileImage(changed, SHAPE).hash, hash);
    assert.notEqual(tileImage(halves(9, 5), SHAPE, 0).hash, hash);
  });

  it('have different hashes when only the geometry differs', () => {
    const black = (width: number, height: number): RgbImage => ({
      width,
      height,
      data: new Uint8Array(width * height * 3),
    });
    assert.notEqual(tileImage(black(8, 4), SHAPE).hash, tileImage(black(8, 3), SHAPE).hash);
  });
});
