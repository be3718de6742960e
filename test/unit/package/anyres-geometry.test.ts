import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  chooseGrid,
  countImageTokens,
  padding,
  resizedSize,
  unpaddedGrid,
} from '../../../src/package/anyres-geometry.ts';

const TILE = 384;
const PATCHES = 27;

type Pinpoints = [number, number][];

function multiples(most: number): Pinpoints {
  const sides = Array.from({ length: most }, (_, index) => (index + 1) * TILE);
  return sides.flatMap((height) => sides.map((width): [number, number] => [height, width]));
}

const LISTS: Record<'p36' | 'p9' | 'p5', Pinpoints> = {
  p36: multiples(6),
  p9: multiples(3),
  p5: [
    [384, 768],
    [768, 384],
    [768, 768],
    [1152, 384],
    [384, 1152],
  ],
};

interface Expected {
  readonly tokens: number;
  readonly grid?: [number, number];
  /** Rows and columns of features after the padding is removed. */
  readonly kept?: [number, number];
}

interface Row {
  readonly width: number;
  readonly height: number;
  readonly p36: Expected;
  readonly p9: Expected;
  readonly p5: Expected;
}

const TABLE: readonly Row[] = [
  {
    width: 384,
    height: 384,
    p36: { tokens: 1485, grid: [384, 384], kept: [27, 27] },
    p9: { tokens: 1485, grid: [384, 384], kept: [27, 27] },
    p5: { tokens: 1512, kept: [27, 28] },
  },
  {
    width: 640,
    height: 480,
    p36: { tokens: 2929, grid: [768, 768], kept: [40, 54] },
    p9: { tokens: 2929, grid: [768, 768], kept: [40, 54] },
    p5: { tokens: 2929, grid: [768, 768], kept: [40, 54] },
  },
  {
    width: 800,
    height: 600,
    p36: { tokens: 4725, grid: [768, 1152], kept: [54, 73] },
    p9: { tokens: 4725, grid: [768, 1152], kept: [54, 73] },
    p5: { tokens: 2929 },
  },
  {
    width: 1280,
    height: 720,
    p36: { tokens: 5967, grid: [768, 1536], kept: [54, 96] },
    p9: { tokens: 4501, grid: [768, 1152], kept: [46, 81] },
    p5: { tokens: 2379, grid: [768, 768], kept: [30, 54] },
  },
  {
    width: 1920,
    height: 1080,
    p36: { tokens: 10929, grid: [1152, 1920], kept: [75, 135] },
    p9: { tokens: 4501, grid: [768, 1152], kept: [46, 81] },
    p5: { tokens: 2379, kept: [30, 54] },
  },
  {
    width: 1000,
    height: 3000,
    p36: { tokens: 9639, grid: [2304, 768], kept: [162, 54] },
    p9: { tokens: 2997, grid: [1152, 384], kept: [81, 27] },
    p5: { tokens: 2997 },
  },
  {
    width: 4000,
    height: 3000,
    p36: { tokens: 20452, grid: [1920, 2304], kept: [121, 162] },
    p9: { tokens: 5731, grid: [1152, 1152], kept: [61, 81] },
    p5: { tokens: 2929 },
  },
];

function tileGrid(height: number, width: number, pinpoints: Pinpoints) {
  const [gridHeight, gridWidth] = chooseGrid(height, width, pinpoints);
  return {
    gridRows: gridHeight / TILE,
    gridColumns: gridWidth / TILE,
    patchesPerSide: PATCHES,
    originalHeight: height,
    originalWidth: width,
  };
}

describe('AnyRes geometry', () => {
  for (const list of ['p36', 'p9', 'p5'] as const) {
    for (const row of TABLE) {
      const { width, height } = row;
      test(`a ${width}x${height} image takes ${row[list].tokens} tokens with the ${list} pinpoints`, () => {
        const expected = row[list];
        const grid = tileGrid(height, width, LISTS[list]);
        assert.equal(countImageTokens(grid), expected.tokens);
        if (expected.grid !== undefined) {
          assert.deepEqual(chooseGrid(height, width, LISTS[list]), expected.grid);
        }
        if (expected.kept !== undefined) {
          const crop = unpaddedGrid(grid);
          assert.deepEqual([crop.bottom - crop.top, crop.right - crop.left], expected.kept);
        }
      });
    }
  }

  test('unpadding drops the same number of rows above and below', () => {
    const grid = tileGrid(480, 640, LISTS.p9);
    assert.deepEqual(unpaddedGrid(grid), { top: 7, bottom: 47, left: 0, right: 54 });
  });

  test('unpadding a tall image drops columns, not rows', () => {
    const grid = tileGrid(640, 480, LISTS.p9);
    assert.deepEqual(unpaddedGrid(grid), { top: 0, bottom: 54, left: 7, right: 47 });
  });

  test('a kept size that misses an integer by a rounding error counts as that integer', () => {
    // 49 * (27 / 49) is 26.999999999999996 in double precision.
    assert.ok(49 * (27 / 49) < 27);
    const crop = unpaddedGrid({
      gridRows: 1,
      gridColumns: 1,
      patchesPerSide: 27,
      originalHeight: 49,
      originalWidth: 49,
    });
    assert.deepEqual(crop, { top: 0, bottom: 27, left: 0, right: 27 });
  });

  test('the first of two equally good pinpoints wins, whatever the order', () => {
    const wide: [number, number] = [384, 768];
    const tall: [number, number] = [768, 384];
    assert.deepEqual(chooseGrid(100, 100, [wide, tall]), wide);
    assert.deepEqual(chooseGrid(100, 100, [tall, wide]), tall);
  });

  test('an image that fits several grids takes the one that wastes least', () => {
    assert.deepEqual(chooseGrid(300, 300, LISTS.p9), [384, 384]);
  });

  test('the resized image fills one side of the grid and never exceeds the other', () => {
    assert.deepEqual(resizedSize(480, 640, 768, 768), { height: 576, width: 768 });
    assert.deepEqual(resizedSize(640, 480, 768, 768), { height: 768, width: 576 });
    assert.deepEqual(resizedSize(384, 384, 384, 384), { height: 384, width: 384 });
    // ceil(767 * 768 / 768.5...) would pass the grid's height by a pixel without the limit.
    for (let height = 1; height <= 400; height += 7) {
      for (let width = 1; width <= 400; width += 3) {
        const size = resizedSize(height, width, 384, 768);
        assert.ok(size.height <= 384 && size.width <= 768);
        assert.ok(size.height === 384 || size.width === 768);
      }
    }
  });

  test('padding centres the image and gives the odd pixel to the bottom and the right', () => {
    assert.deepEqual(padding(576, 768, 768, 768), { top: 96, bottom: 96, left: 0, right: 0 });
    assert.deepEqual(padding(381, 383, 384, 384), { top: 1, bottom: 2, left: 0, right: 1 });
  });

  test('an image without a grid takes its base tile and one newline', () => {
    const grid = {
      gridRows: 0,
      gridColumns: 0,
      patchesPerSide: 27,
      originalHeight: 10,
      originalWidth: 10,
    };
    assert.equal(countImageTokens(grid), 730);
  });

  test('an empty list of pinpoints is rejected by name', () => {
    assert.throws(() => chooseGrid(10, 10, []), /pinpoints is empty/);
  });
});
