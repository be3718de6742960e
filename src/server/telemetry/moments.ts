/** Count, mean and variance of numbers that come one at a time and are not kept (Welford, 1962). */
export class Moments {
  #count = 0;
  #mean = 0;
  /** Sum of squared distances from the mean. */
  #spread = 0;

  add(value: number): void {
    this.#count++;
    const distance = value - this.#mean;
    this.#mean += distance / this.#count;
    this.#spread += distance * (value - this.#mean);
  }

  get count(): number {
    return this.#count;
  }

  get mean(): number {
    return this.#mean;
  }

  get sum(): number {
    return this.#mean * this.#count;
  }

  /** Of the sample, with n − 1; 0 for fewer than two numbers. */
  get variance(): number {
    return this.#count < 2 ? 0 : this.#spread / (this.#count - 1);
  }
}

export interface Interval {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}

/** Upper 2.5 % point of the normal distribution. */
const NORMAL_POINT = 1.959963984540054;

/**
 * How far the first mean lies above the second, with its 95 % confidence interval. Welch's (1947): the two variances
 * need not be alike, nor the two counts; both must be at least 2.
 */
export function meanDifference(first: Moments, second: Moments): Interval {
  const [a, b] = [first.variance / first.count, second.variance / second.count];
  const estimate = first.mean - second.mean;
  if (a + b === 0) return { estimate, lower: estimate, upper: estimate };
  const freedom = (a + b) ** 2 / (a ** 2 / (first.count - 1) + b ** 2 / (second.count - 1));
  const reach = studentPoint(freedom) * Math.sqrt(a + b);
  return { estimate, lower: estimate - reach, upper: estimate + reach };
}

/**
 * Upper 2.5 % point of Student's distribution by its expansion around the normal one (Abramowitz and Stegun, 26.7.5);
 * good to three digits from 5 degrees of freedom on.
 */
function studentPoint(freedom: number): number {
  const z = NORMAL_POINT;
  const terms = [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((sum, term, power) => sum + term / freedom ** power, 0);
}
