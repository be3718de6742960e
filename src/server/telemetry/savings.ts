import { type Interval, Moments, meanDifference } from './moments.ts';

/** One request of the hold-out experiment, by what it was drawn to get. */
export interface HoldoutOutcome {
  readonly arm: 'auto' | 'think';
  /** Every generated token. */
  readonly tokens: number;
  /** Arrival to end. */
  readonly seconds: number;
}

/** With fewer requests in either arm nothing is claimed. */
const MIN_SAMPLE = 30;

export interface Savings {
  /** What a request in auto mode spends less than one that always thinks. */
  readonly tokens: Interval;
  readonly seconds: Interval;
}

/**
 * What auto mode saves against always thinking, from a randomised experiment: requests that leave the choice to the
 * model are drawn, each with the same probability, to think. The two arms then differ in nothing but that draw, so the
 * difference of their means is an unbiased estimate whatever the requests are like. A request counts in the arm it was
 * drawn for with all it spent until it ended, also where its client left early: to drop those would compare the patient
 * of one arm with the less patient of the other. The auto arm holds what the model chose to think about as well.
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

  /** @returns null while either arm is too small to tell */
  get savings(): Savings | null {
    const { auto, think } = this.#arms;
    if (Math.min(this.count('auto'), this.count('think')) < MIN_SAMPLE) return null;
    return {
      tokens: meanDifference(think.tokens, auto.tokens),
      seconds: meanDifference(think.seconds, auto.seconds),
    };
  }
}
