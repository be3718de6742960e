import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import {
  bootstrap,
  mean,
  proportion,
  quantile,
  shuffled,
} from '../../../src/reports/statistics.ts';

function near(actual: number, expected: number, tolerance = 5e-4): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
}

describe("Wilson's interval", () => {
  // Values as Newcombe (1998) tabulates them for the score method.
  const TABLE: readonly (readonly [count: number, total: number, low: number, high: number])[] = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
    [20, 20, 0.8389, 1],
  ];
  for (const [count, total, low, high] of TABLE) {
    it(`of ${count} in ${total} is ${low} to ${high}`, () => {
      const found = proportion(count, total);
      near(found.value, count / total);
      near(found.low, low);
      near(found.high, high);
    });
  }

  it('is the whole range without trials', () => {
    assert.deepEqual(proportion(0, 0), { value: 0, low: 0, high: 1 });
  });
});

describe('The bootstrap', () => {
  it('covers the true mean in about 95 of 100 samples', () => {
    const generator = xoroshiro128plus(7);
    let covered = 0;
    const rounds = 200;
    for (let round = 0; round < rounds; round += 1) {
      const sample = Array.from({ length: 60 }, () => uniformFloat64(generator));
      const { low, high } = bootstrap(sample, mean, { seed: round, resamples: 300 });
      if (low <= 0.5 && 0.5 <= high) covered += 1;
    }
    assert.ok(covered / rounds > 0.88 && covered / rounds < 0.99, `${covered} of ${rounds}`);
  });

  it('gives the same interval for the same seed', () => {
    const items = [1, 2, 3, 10];
    assert.deepEqual(bootstrap(items, mean, { seed: 1 }), bootstrap(items, mean, { seed: 1 }));
    assert.equal(bootstrap(items, mean, { seed: 1 }).value, 4);
  });

  it('keeps pairs together', () => {
    const pairs = Array.from({ length: 50 }, (_, i) => ({ a: i, b: i + 1 }));
    const { low, high } = bootstrap(pairs, (s) => mean(s.map(({ a, b }) => b - a)), { seed: 1 });
    assert.deepEqual([low, high], [1, 1]);
  });
});

it('interpolates a quantile between its neighbours', () => {
  assert.equal(quantile([1, 2, 3, 4], 0.5), 2.5);
  assert.equal(quantile([5], 0.99), 5);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

it('shuffles all items, in the same order for the same seed', () => {
  const items = Array.from({ length: 20 }, (_, i) => i);
  const once = shuffled(items, xoroshiro128plus(3));
  assert.deepEqual(once, shuffled(items, xoroshiro128plus(3)));
  assert.notDeepEqual(once, items);
  assert.deepEqual(
    [...once].sort((a, b) => a - b),
    items,
  );
});
