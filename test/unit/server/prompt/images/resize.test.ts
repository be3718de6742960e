import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RgbImage, resizeRgb } from '../../../../../src/server/prompt/images/resize.ts';

/** One row of grey pixels. */
function row(...values: number[]): RgbImage {
  return {
    width: values.length,
    height: 1,
    data: Uint8Array.from(values.flatMap((v) => [v, v, v])),
  };
}

function column(...values: number[]): RgbImage {
  return { ...row(...values), width: 1, height: values.length };
}

const BICUBIC_UP = [0, 0, 0, 0, 0, 52, 203, 255, 255, 255, 255, 255];

const red = ({ data }: RgbImage): number[] => [...data].filter((_, index) => index % 3 === 0);

// Expected values: PIL.Image.resize of the same pixels.
describe('resizing as PIL does', () => {
  it('returns the same image when the size stays', () => {
    const image = row(1, 2, 3);
    assert.equal(resizeRgb(image, 3, 1, 'bicubic'), image);
  });

  it('overshoots at edges with the bicubic filter and clips to 8 bits', () => {
    const edge = [0, 0, 0, 255, 255, 255];
    assert.deepEqual(red(resizeRgb(row(...edge), 12, 1, 'bicubic')), BICUBIC_UP);
    assert.deepEqual(red(resizeRgb(column(...edge), 1, 12, 'bicubic')), BICUBIC_UP);
  });

  it('interpolates between two pixels with the bilinear filter', () => {
    assert.deepEqual(red(resizeRgb(row(0, 100), 4, 1, 'bilinear')), [0, 25, 75, 100]);
  });

  it('averages over all covered pixels when scaling down', () => {
    const stripes = Array.from({ length: 64 }, (_, index) => (index % 2) * 200);
    const small = red(resizeRgb(row(...stripes), 4, 1, 'bicubic'));
    assert.ok(
      small.every((value) => Math.abs(value - 100) <= 2),
      small.join(),
    );
  });

  it('keeps a flat colour flat at every size and the channels apart', () => {
    const data = new Uint8Array(7 * 5 * 3).map((_, index) => [10, 128, 255][index % 3]!);
    for (const [width, height] of [
      [3, 2],
      [20, 31],
      [1, 1],
      [7, 9],
    ] as const) {
      const resized = resizeRgb({ width: 7, height: 5, data }, width, height, 'bicubic');
      assert.equal(resized.data.length, width * height * 3);
      assert.ok(resized.data.every((value, index) => value === [10, 128, 255][index % 3]));
    }
  });
});
