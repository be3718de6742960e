import { quantile } from '../../../reports/statistics/intervals.ts';

/** p(think) of one prompt, exact and as the other variant has it. */
export interface DecisionPair {
  readonly prompt: string;
  readonly before: number;
  readonly after: number;
}

export interface DecisionShifts {
  readonly pairs: readonly DecisionPair[];
  /** Pairs on two sides of one half: the likelier choice is another. */
  readonly flipped: readonly DecisionPair[];
  /** |Δ p(think)|. */
  readonly shift: { readonly median: number; readonly p90: number; readonly largest: number };
  /** Least |p(think) − ½| before. */
  readonly smallestMargin: number;
}

/** @returns null where nothing was measured */
export function decisionShifts(pairs: readonly DecisionPair[]): DecisionShifts | null {
  if (pairs.length === 0) return null;
  const shifts = pairs.map(({ before, after }) => Math.abs(after - before)).sort((a, b) => a - b);
  return {
    pairs,
    flipped: pairs.filter(({ before, after }) => before >= 0.5 !== after >= 0.5),
    shift: {
      median: quantile(shifts, 0.5),
      p90: quantile(shifts, 0.9),
      largest: quantile(shifts, 1),
    },
    smallestMargin: Math.min(...pairs.map(({ before }) => Math.abs(before - 0.5))),
  };
}
