import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { Estimate } from '../package/profile.ts';

/** Two-sided 95 % point of the normal distribution, and the tail on either side. */
const Z = 1.959963984540054;
const TAIL = 0.025;

/**
 * A proportion with Wilson's score interval (1927) at 95 %, which stays within 0 and 1 and holds for few or extreme
 * counts.
 */
export function proportion(count: number, total: number): Estimate {
  if (total === 0) return { value: 0, low: 0, high: 1 };
  const share = count / total;
  const z2 = Z ** 2 / total;
  const centre = (share + z2 / 2) / (1 + z2);
  const half = (Z * Math.sqrt((share * (1 - share)) / total + z2 / (4 * total))) / (1 + z2);
  // Rounding must not exclude the value itself at 0 and 1.
  return {
    value: share,
    low: count === 0 ? 0 : Math.max(0, centre - half),
    high: count === total ? 1 : Math.min(1, centre + half),
  };
}

export interface BootstrapOptions {
  readonly seed: number;
  /** Number of resamples; default 2000. */
  readonly resamples?: number;
}

/**
 * A statistic with its 95 % percentile bootstrap interval (Efron, 1979): items are resampled with replacement. For a
 * paired bootstrap an item holds both sides of the pair. Equal seeds give equal intervals.
 */
export function bootstrap<T>(
  items: readonly T[],
  statistic: (sample: readonly T[]) => number,
  { seed, resamples = 2000 }: BootstrapOptions,
): Estimate {
  const value = statistic(items);
  const generator = xoroshiro128plus(seed);
  const values = Array.from({ length: resamples }, () => {
    const sample = items.map(() => items[uniformInt(generator, 0, items.length - 1)]);
    return statistic(sample.filter((item) => item !== undefined));
  }).sort((a, b) => a - b);
  return { value, low: quantile(values, TAIL), high: quantile(values, 1 - TAIL) };
}

/**
 * A quantile by linear interpolation.
 * @param sorted values in ascending order
 * @param share 0 to 1
 * @returns NaN without values
 */
export function quantile(sorted: readonly number[], share: number): number {
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}

/** @returns NaN without values */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A copy in random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], generator: RandomGenerator): T[] {
  const out = [...items];
  for (let last = out.length - 1; last > 0; last -= 1) {
    const other = uniformInt(generator, 0, last);
    const [a, b] = [out[last], out[other]];
    if (a === undefined || b === undefined) continue;
    out[last] = b;
    out[other] = a;
  }
  return out;
}
