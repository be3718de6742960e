import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToFloat16,
} from '../../../src/converter/weights/float-formats.ts';
import { isWholeCorpus } from '../../helpers/corpus-sample.ts';

function toHalf(value: number): number {
  const out = new Uint16Array(1);
  float32ToFloat16(Float32Array.of(value), out);
  return out[0]!;
}

function fromHalf(bits: number): number {
  const out = new Float32Array(1);
  float16ToFloat32(Uint16Array.of(bits), out);
  return out[0]!;
}

/** Rounds by searching the two neighbours among all half-precision values; ties go to the even one. */
function nearestHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const magnitude = Math.abs(value);
  let low = 0;
  let high = 0x7c00;
  // Infinity stands where 65536 would be if there were one more exponent.
  const magnitudeOf = (bits: number): number => (bits === 0x7c00 ? 65_536 : fromHalf(bits));
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (magnitudeOf(middle) <= magnitude) low = middle;
    else high = middle;
  }
  const [below, above] = [magnitude - magnitudeOf(low), magnitudeOf(high) - magnitude];
  const rounded = below < above || (below === above && low % 2 === 0) ? low : high;
  return (Object.is(value, -0) || value < 0 ? 0x8000 : 0) | rounded;
}

describe('half precision', () => {
  it('reads the values IEEE 754 gives its patterns', () => {
    const known: [number, number][] = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65_504],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfc00, Number.NEGATIVE_INFINITY],
      [0x7e00, Number.NaN],
    ];
    for (const [bits, value] of known) assert.equal(fromHalf(bits), value, bits.toString(16));
  });

  it('writes back every one of its own values', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const isNan = (bits & 0x7fff) > 0x7c00;
      if (!isNan) assert.equal(toHalf(fromHalf(bits)), bits, bits.toString(16));
    }
  });

  it('rounds the middle between any two neighbours to the even one, and its neighbours away from it', () => {
    // A prime step visits halves of every exponent.
    for (let bits = 0; bits < 0x7bff; bits += isWholeCorpus ? 1 : 13) {
      const middle = (fromHalf(bits) + fromHalf(bits + 1)) / 2;
      const step = middle * 2 ** -20;
      for (const value of [
        middle,
        Math.fround(middle + step),
        Math.fround(middle - step),
        -middle,
      ]) {
        assert.equal(toHalf(value), nearestHalf(value), `${value}`);
      }
    }
  });

  it('goes to infinity from 65520 on and counts only finite values as overflow', () => {
    const values = Float32Array.of(65_519, 65_520, -1e30, Number.POSITIVE_INFINITY, Number.NaN, 1);
    const out = new Uint16Array(values.length);
    assert.equal(float32ToFloat16(values, out), 2);
    assert.deepEqual([...out], [0x7bff, 0x7c00, 0xfc00, 0x7c00, 0x7e00, 0x3c00]);
  });

  it('keeps the sign of zero and flushes only what is nearer to zero than to the smallest value', () => {
    assert.equal(toHalf(-0), 0x8000);
    assert.equal(toHalf(2 ** -25), 0);
    assert.equal(toHalf(Math.fround(2 ** -25 * 1.0001)), 1);
    assert.equal(toHalf(1e-40), 0);
  });
});

describe('bfloat16', () => {
  it('widens to the float32 with the same upper half', () => {
    const patterns = Uint16Array.of(0x3f80, 0xbf80, 0x0001, 0x7f7f, 0x8000, 0x7f80);
    const out = new Float32Array(patterns.length);
    bfloat16ToFloat32(patterns, out);
    const bits = new Uint32Array(out.buffer);
    assert.deepEqual(
      [...bits],
      [...patterns].map((pattern) => pattern * 65_536),
    );
    assert.equal(out[0], 1);
    assert.equal(out[3], 3.3895313892515355e38);
  });
});
