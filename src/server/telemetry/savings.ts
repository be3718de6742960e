/** Count, mean and variance of a series of numbers in constant space (Welford, 1962). */
export class Moments {
  #count = 0;
  #mean = 0;
  /** Sum of squared distances from the mean. */
  #squares = 0;

  add(value: number): void {
    this.#count++;
    const distance = value - this.#mean;
    this.#mean += distance / this.#count;
    this.#squares += distance * (value - this.#mean);
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

  /** Sample variance (divided by n − 1); 0 for fewer than two numbers. */
  get variance(): number {
    return this.#count < 2 ? 0 : this.#squares / (this.#count - 1);
  }
}

/** An estimate with its 95 % confidence interval. */
export interface Interval {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * The first mean minus the second, with the 95 % confidence interval of Welch (1947), which assumes neither equal
 * variances nor equal counts.
 * @param first, second at least two numbers each
 */
export function meanDifference(first: Moments, second: Moments): Interval {
  const [a, b] = [first.variance / first.count, second.variance / second.count];
  const estimate = first.mean - second.mean;
  if (a + b === 0) return { estimate, lower: estimate, upper: estimate };
  const freedom = (a + b) ** 2 / (a ** 2 / (first.count - 1) + b ** 2 / (second.count - 1));
  const reach = studentPoint(freedom) * Math.sqrt(a + b);
  return { estimate, lower: estimate - reach, upper: estimate + reach };
}

/** Upper 2.5 % point of the normal distribution. */
const NORMAL_POINT = 1.959963984540054;

/**
 * Upper 2.5 % point of Student's distribution, by its expansion around the normal one (Abramowitz and Stegun, 26.7.5).
 * Three digits are right from 5 degrees of freedom on.
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

/** One request of the hold-out experiment. */
export interface HoldoutOutcome {
  /** The arm it was drawn for. */
  readonly arm: 'auto' | 'think';
  /** All generated tokens. */
  readonly tokens: number;
  /** Arrival to end. */
  readonly seconds: number;
}

/** Requests that each arm needs before there is an estimate. */
const MIN_SAMPLE = 30;

/** What a request in auto mode spends less than one that always thinks. */
export interface Savings {
  readonly tokens: Interval;
  readonly seconds: Interval;
}

/**
 * Estimates what auto mode saves against always thinking, from a randomised experiment. Every request that leaves the
 * choice to the model is drawn, with one fixed probability, to think. The two arms differ in that draw alone, so the
 * difference of their means is an unbiased estimate for any mix of requests. A request counts in the arm it was drawn
 * for with all it spent, even when its client left early: to drop those would compare patient clients of one arm with
 * less patient ones of the other. The auto arm includes the requests that the model chose to think about.
 */
export class SavingsEstimator {
  readonly #arms = {
    auto: { tokens: new Moments(), seconds: new Moments() },
    think: { tokens: new Moments(), seconds: new Moments() },
  };

  add({ arm, tokens, seconds }: HoldoutOutcome): void {
    this.#arms[arm].tokens.add(tokens);
    this.#arms[arm].seconds.add(seconds);
  }

  count(arm: HoldoutOutcome['arm']): number {
    return this.#arms[arm].tokens.count;
  }

  sum(arm: HoldoutOutcome['arm'], what: keyof Savings): number {
    return this.#arms[arm][what].sum;
  }

  /** @returns null while an arm has too few requests */
  get savings(): Savings | null {
    const { auto, think } = this.#arms;
    if (Math.min(this.count('auto'), this.count('think')) < MIN_SAMPLE) return null;
    return {
      tokens: meanDifference(think.tokens, auto.tokens),
      seconds: meanDifference(think.seconds, auto.seconds),
    };
  }
}
