import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import type { LayerContents } from '../../../../src/converter/quantization/quality/int8-kv/cache-ranges.ts';
import {
  Clipping,
  KvRanges,
} from '../../../../src/converter/quantization/quality/int8-kv/cache-ranges.ts';
import { cacheMemory } from '../../../../src/converter/quantization/quality/int8-kv/int8-kv-report.ts';

/** One layer, two heads of four channels, three positions of which two are in use. */
const SHAPE = { numLayers: 1, numKvHeads: 2, headDim: 4 };

function contents(key: readonly number[][], value: readonly number[][]): LayerContents[] {
  return [{ key: Float32Array.from(key.flat()), value: Float32Array.from(value.flat()) }];
}

const KEYS = [
  // Head 0: channels 0 and 2 are a pair, as are 1 and 3.
  [3, 1, 4, 0],
  [0, -2, 1, 1],
  [99, 99, 99, 99],
  // Head 1.
  [0, 0, 0, 0],
  [0, 6, 0, -8],
  [99, 99, 99, 99],
];
const VALUES = [
  [1, -2, 3, 0],
  [-4, 1, 0, 0],
  [99, 99, 99, 99],
  [0, 0, 0, 8],
  [2, 0, 0, 0],
  [99, 99, 99, 99],
];

function rounded(values: Float32Array): number[] {
  return [...values].map((value) => Number(value.toPrecision(5)));
}

describe('ranges of keys and values', () => {
  const ranges = new KvRanges(SHAPE);
  ranges.observe(contents(KEYS, VALUES), 2);
  const [scales] = ranges.scales(1.27);

  it('give both channels of a rotary pair the norm of the pair, and ignore other positions', () => {
    const pair = Number(Math.sqrt(5).toPrecision(5));
    assert.deepEqual(rounded(scales!.key.map((scale) => scale * 100)), [
      5,
      pair,
      5,
      pair,
      0.01,
      10,
      0.01,
      10,
    ]);
  });

  it('are per channel for values, and at least a thousandth of the largest', () => {
    assert.deepEqual(
      rounded(scales!.value.map((scale) => scale * 100)),
      [4, 2, 3, 0.008, 2, 0.008, 0.008, 8],
    );
  });

  it('grow with the headroom', () => {
    const [wide] = ranges.scales(2.54);
    assert.deepEqual(rounded(wide!.key), rounded(scales!.key.map((scale) => scale * 2)));
  });

  it('are positive without any observation', () => {
    const [none] = new KvRanges(SHAPE).scales(1);
    assert.ok([...none!.key, ...none!.value].every((scale) => scale > 0));
  });

  it('hold at every position: a rotated key never clips', () => {
    for (const angle of [0.3, 1.2, 2.9, 4.4]) {
      const rotated = KEYS.map(([a = 0, b = 0, c = 0, d = 0]) => [
        a * Math.cos(angle) - c * Math.sin(angle),
        b * Math.cos(angle) - d * Math.sin(angle),
        a * Math.sin(angle) + c * Math.cos(angle),
        b * Math.sin(angle) + d * Math.cos(angle),
      ]);
      const clipping = new Clipping(SHAPE, ranges.scales(1));
      clipping.observe(contents(rotated, VALUES), 2);
      assert.equal(clipping.result()[0]!.keys, 0);
    }
  });
});

describe('clipping', () => {
  const width = SHAPE.numKvHeads * SHAPE.headDim;
  const scales = [
    { key: new Float32Array(width).fill(4 / 128), value: new Float32Array(width).fill(1) },
  ];

  it('counts clipped keys and values separately, and reports the overshoot', () => {
    const clipping = new Clipping(SHAPE, scales);
    clipping.observe(contents(KEYS, VALUES), 2);
    // Of 16 keys 4, 6 and -8 are beyond 127.5 steps of 1/32.
    const overshoot = (8 * 32) / 127;
    assert.deepEqual(clipping.result(), [{ layer: 0, keys: 3 / 16, values: 0, overshoot }]);
  });

  it('does not count values that round to the largest int8 value', () => {
    const clipping = new Clipping(SHAPE, scales);
    const within = VALUES.map((row) => row.map(() => 127.4));
    const beyond = VALUES.map((row) => row.map(() => -127.6));
    clipping.observe(contents(KEYS, within), 2);
    assert.equal(clipping.result()[0]!.values, 0);
    clipping.observe(contents(KEYS, beyond), 2);
    assert.equal(clipping.result()[0]!.values, 0.5);
  });

  it('is zero without observations', () => {
    const none = [{ layer: 0, keys: 0, values: 0, overshoot: 0 }];
    assert.deepEqual(new Clipping(SHAPE, scales).result(), none);
  });
});

describe('the memory of a cache', () => {
  it("is a quarter in 8 bits: R-4B's 36 layers of 8 heads of 128 take 294.9 MB and 73.7 MB per 1,000 tokens", () => {
    const memory = cacheMemory({ numLayers: 36, numKvHeads: 8, headDim: 128 });
    assert.deepEqual(memory, { fp32: 294_912_000, int8: 73_728_000 });
  });
});
