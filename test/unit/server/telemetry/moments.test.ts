import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '../../../../src/engine/sampling/random.ts';
import { Moments, meanDifference } from '../../../../src/server/telemetry/savings.ts';

function momentsOf(values: readonly number[]): Moments {
  const moments = new Moments();
  for (const value of values) moments.add(value);
  return moments;
}

function near(actual: number, expected: number, within: number): void {
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected} ± ${within}`);
}

describe('Moments', () => {
  it('are exact for large numbers that lie close together', () => {
    const moments = momentsOf([4, 7, 13, 16].map((value) => 1e9 + value));
    assert.equal(moments.count, 4);
    near(moments.mean, 1e9 + 10, 1e-6);
    near(moments.variance, 30, 1e-6);
    near(moments.sum, 4e9 + 40, 1e-4);
  });

  it('have variance 0 for fewer than two numbers', () => {
    assert.deepEqual([momentsOf([]).variance, momentsOf([5]).variance], [0, 0]);
  });
});

describe('The interval of a difference of means', () => {
  it("is Welch's interval", () => {
    // Worked by hand: means 20.5 and 15.5, variances 3.5 and 3.5, six each, so 10 degrees of freedom: t = 2.2281.
    const first = momentsOf([18, 19, 20, 21, 22, 23]);
    const second = momentsOf([13, 14, 15, 16, 17, 18]);
    const { estimate, lower, upper } = meanDifference(first, second);
    const reach = 2.2281 * Math.sqrt(3.5 / 6 + 3.5 / 6);
    near(estimate, 5, 1e-12);
    near(upper, 5 + reach, 2e-4);
    near(lower, 5 - reach, 2e-4);
  });

  it("uses Student's distribution for few degrees of freedom and the normal one for many", () => {
    for (const [count, point] of [
      [4, 2.4469],
      [16, 2.0423],
      [51, 1.984],
      [5001, 1.9602],
    ] as const) {
      const values = Array.from({ length: count }, (_, index) => index % 3);
      const sample = momentsOf(values);
      const { upper } = meanDifference(sample, momentsOf(values));
      near(upper / Math.sqrt((2 * sample.variance) / count), point, 4e-3);
    }
  });

  it('is a point when the samples do not vary', () => {
    const interval = meanDifference(momentsOf([3, 3, 3]), momentsOf([1, 1]));
    assert.deepEqual(interval, { estimate: 2, lower: 2, upper: 2 });
  });

  it('covers the true difference in 95 of 100 samples of two skewed, different distributions', () => {
    const random = new SeededRandom(7);
    // Exponential with mean 1, and with mean 3.
    const draw = (mean: number): number => -mean * Math.log(1 - random.next());
    const trials = 2_000;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      const first = momentsOf(Array.from({ length: 150 }, () => draw(3)));
      const second = momentsOf(Array.from({ length: 400 }, () => draw(1)));
      const { lower, upper } = meanDifference(first, second);
      if (lower <= 2 && 2 <= upper) covered++;
    }
    // Three standard errors of a share of 0.95 in 2,000 trials are 0.015.
    near(covered / trials, 0.95, 0.015);
  });
});
