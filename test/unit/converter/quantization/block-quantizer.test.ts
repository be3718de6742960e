import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import {
  type BlockFormat,
  dequantizeRows,
  quantizeRows,
} from '../../../../src/converter/quantization/block-quantizer.ts';
import { Random } from '../../../helpers/random.ts';

interface Block {
  readonly levels: readonly number[];
  readonly scale: number;
}

/**
 * One block in the plainest form: for every placement of the extreme, round, fit the scale by least squares, measure
 * the squared error directly, keep the smallest.
 */
function plainBlock(weights: readonly number[], { bits, blockSize }: BlockFormat): Block {
  const zero = bits === 4 ? 8 : 128;
  const magnitude = Math.max(...weights.map(Math.abs));
  const extreme = weights.includes(magnitude) ? magnitude : -magnitude;
  if (extreme === 0) return { levels: weights.map(() => 0), scale: 0 };
  let best: (Block & { error: number }) | undefined;
  const placements = blockSize === 32 ? [8, 7.2, 8.5] : [8, 7.2, 8.5, 9, 9.5, 10];
  for (const placement of bits === 4 ? placements : [128]) {
    const levels = weights.map((weight) => {
      const level = Math.floor(weight * (-placement / extreme) + 0.5);
      return Math.min(zero - 1, Math.max(-zero, level));
    });
    const products = weights.reduce((sum, weight, i) => sum + weight * levels[i]!, 0);
    const squares = levels.reduce((sum, level) => sum + level * level, 0);
    const exact = products / squares;
    const error = weights.reduce((sum, weight, i) => sum + (weight - exact * levels[i]!) ** 2, 0);
    if (best === undefined || error < best.error)
      best = { levels, scale: Math.fround(exact), error };
  }
  return best!;
}

/** Levels of a packed block, the low half of a byte first. */
function unpack(bytes: Uint8Array, { bits }: BlockFormat): number[] {
  if (bits === 8) return [...bytes].map((byte) => byte - 128);
  return [...bytes].flatMap((byte) => [(byte & 15) - 8, (byte >> 4) - 8]);
}

function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return Math.fround(radius * Math.cos(2 * Math.PI * random.next()));
}

function frobenius(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
}

function relativeError(weights: Float32Array, columns: number, format: BlockFormat): number {
  const back = dequantizeRows(quantizeRows(weights, columns, format), columns, format);
  return frobenius(weights.map((weight, i) => weight - back[i]!)) / frobenius(weights);
}

const FORMATS: readonly BlockFormat[] = [
  { bits: 4, blockSize: 32 },
  { bits: 4, blockSize: 64 },
  { bits: 4, blockSize: 128 },
  { bits: 8, blockSize: 32 },
  { bits: 8, blockSize: 128 },
];

for (const format of FORMATS) {
  const { bits, blockSize } = format;
  describe(`${bits}-bit quantisation in blocks of ${blockSize}`, () => {
    it('gives the levels and scales of a plain reference, block by block', () => {
      const random = new Random(5);
      const blockBytes = (blockSize * bits) / 8;
      for (let trial = 0; trial < 2000; trial++) {
        const magnitude = 10 ** (random.next() * 12 - 8);
        const weights = Float32Array.from({ length: blockSize }, () => normal(random) * magnitude);
        // Exact ties and outliers come from round numbers.
        if (trial % 3 === 0)
          weights.forEach((_, i) => {
            weights[i] = random.below(17) - 8;
          });
        const { values, scales } = quantizeRows(weights, blockSize, format);
        const expected = plainBlock([...weights], format);
        const found = unpack(values.subarray(0, blockBytes), format);
        const same = found.every((level, i) => level === expected.levels[i]);
        // Where two placements are equally good to the last bit of the sums, either may win.
        if (!same) assert.ok(closeCall([...weights], found, expected), `trial ${trial}`);
        else assert.equal(scales[0], expected.scale);
      }
    });

    it('keeps rows apart and pads a short last block with zero levels', () => {
      const columns = 2 * blockSize + 8;
      const random = new Random(6);
      const weights = Float32Array.from({ length: 3 * columns }, () => normal(random));
      const whole = quantizeRows(weights, columns, format);
      assert.equal(whole.scales.length, 9);
      const blockBytes = (blockSize * bits) / 8;
      for (let row = 0; row < 3; row++) {
        const alone = quantizeRows(
          weights.slice(row * columns, (row + 1) * columns),
          columns,
          format,
        );
        const at = row * 3 * blockBytes;
        assert.deepEqual(whole.values.subarray(at, at + 3 * blockBytes), alone.values);
        const last = unpack(alone.values.subarray(2 * blockBytes), format);
        assert.deepEqual(last.slice(8), new Array(blockSize - 8).fill(0));
      }
    });

    it('keeps zeros exactly, an odd number of columns included', () => {
      const columns = blockSize + 1;
      const weights = new Float32Array(columns * 2);
      weights[columns + 7] = 3;
      const back = dequantizeRows(quantizeRows(weights, columns, format), columns, format);
      assert.ok(back.every((value, i) => value === weights[i]));
    });

    it('survives weights so small that their reciprocal overflows', () => {
      const weights = new Float32Array(32).fill(1e-44);
      const { scales } = quantizeRows(weights, 32, format);
      assert.ok(Number.isFinite(scales[0]));
      assert.ok(relativeError(weights, 32, format) <= 1);
    });
  });
}

/** Whether two roundings of a block leave the same squared error but for rounding in the sums. */
function closeCall(weights: readonly number[], found: readonly number[], expected: Block): boolean {
  const error = (levels: readonly number[]): number => {
    const products = weights.reduce((sum, weight, i) => sum + weight * levels[i]!, 0);
    const squares = levels.reduce((sum, level) => sum + level * level, 0);
    const total = weights.reduce((sum, weight) => sum + weight * weight, 0);
    return (total - (products * products) / squares) / total;
  };
  return found.length === weights.length && Math.abs(error(found) - error(expected.levels)) < 1e-12;
}

describe('the choice of the scale', () => {
  it('loses less than rounding to nearest with the largest magnitude at the end of the range', () => {
    const random = new Random(7);
    const weights = Float32Array.from({ length: 64 * 512 }, () => normal(random));
    const plain = weights.slice();
    for (let start = 0; start < plain.length; start += 32) {
      const block = plain.subarray(start, start + 32);
      const scale = Math.max(...block.map(Math.abs)) / 7;
      block.forEach((weight, i) => {
        block[i] = Math.round(weight / scale) * scale;
      });
    }
    const plainError =
      frobenius(weights.map((weight, i) => weight - plain[i]!)) / frobenius(weights);
    assert.ok(relativeError(weights, 512, { bits: 4, blockSize: 32 }) < 0.9 * plainError);
  });

  const LIMITS: readonly (BlockFormat & { limit: number })[] = [
    { bits: 4, blockSize: 32, limit: 0.085 },
    { bits: 4, blockSize: 64, limit: 0.092 },
    { bits: 4, blockSize: 128, limit: 0.099 },
    { bits: 8, blockSize: 32, limit: 0.006 },
  ];
  for (const { limit, ...format } of LIMITS) {
    it(`keeps normal weights within ${100 * limit} % at ${format.bits} bits in ${format.blockSize}`, () => {
      const random = new Random(8);
      const weights = Float32Array.from({ length: 64 * 512 }, () => normal(random));
      assert.ok(relativeError(weights, 512, format) < limit);
    });
  }
});
