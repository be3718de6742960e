import type { Estimate } from '../../package/profile.ts';
import { seededRandom } from './random.ts';

/** Of a 95 % interval. */
const Z = 1.959963984540054;
const TAIL = 0.025;

/** A proportion with Wilson's score interval, which stays within 0 and 1 and is right for few or extreme counts. */
export function proportion(count: number, total: number): Estimate {
  if (total === 0) return { value: 0, low: 0, high: 1 };
  const share = count / total;
  const z2 = Z ** 2 / total;
  const centre = (share + z2 / 2) / (1 + z2);
  const half = (Z * Math.sqrt((share * (1 - share)) / total + z2 / (4 * total))) / (1 + z2);
  // At the ends rounding must not put the interval beside its value.
  return {
    value: share,
    low: count === 0 ? 0 : Math.max(0, centre - half),
    high: count === total ? 1 : Math.min(1, centre + half),
  };
}

export interface BootstrapOptions {
  readonly seed: number;
  /** Resamples drawn. */
  readonly resamples?: number;
}

/**
 * A statistic with its percentile bootstrap interval (Efron, 1979): items are drawn again with replacement. Pairs stay
 * together because an item holds both of its sides.
 */
export function bootstrap<T>(
  items: readonly T[],
  statistic: (sample: readonly T[]) => number,
  { seed, resamples = 2000 }: BootstrapOptions,
): Estimate {
  const value = statistic(items);
  const random = seededRandom(seed);
  const values = Array.from({ length: resamples }, () => {
    const sample = items.map(() => items[Math.floor(random() * items.length)]);
    return statistic(sample.filter((item) => item !== undefined));
  }).sort((a, b) => a - b);
  return { value, low: quantile(values, TAIL), high: quantile(values, 1 - TAIL) };
}

/** Of values in ascending order, interpolated between neighbours; NaN without values. */
export function quantile(sorted: readonly number[], share: number): number {
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}

/** NaN without values. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
