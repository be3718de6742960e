import type { ThresholdGoal } from '../../package/profile.ts';
import { mean } from '../../reports/statistics.ts';
import { EvaluationError } from '../evaluation-error.ts';
import type { CalibrationItem, Outcome } from './items.ts';

/** The result of one threshold: shares of questions, and mean generated tokens. */
export interface OperatingPoint {
  readonly threshold: number;
  readonly accuracy: number;
  readonly meanTokens: number;
  readonly thinkingRate: number;
}

/** The outcome of a question under a threshold. */
export function outcomeAt(item: CalibrationItem, threshold: number): Outcome {
  return item.pThink >= threshold ? item.think : item.fast;
}

export function operatingPoint(
  items: readonly CalibrationItem[],
  threshold: number,
): OperatingPoint {
  const outcomes = items.map((item) => outcomeAt(item, threshold));
  return {
    threshold,
    accuracy: mean(outcomes.map(({ isRight }) => Number(isRight))),
    meanTokens: mean(outcomes.map(({ tokens }) => tokens)),
    thinkingRate: mean(items.map(({ pThink }) => Number(pThink >= threshold))),
  };
}

/**
 * The operating point of every distinct threshold on these questions, from always thinking to never. A threshold lies
 * midway in log odds between two neighbouring probabilities, so that it does not depend on the last bit of either.
 */
export function operatingPoints(items: readonly CalibrationItem[]): OperatingPoint[] {
  const values = [...new Set(items.map(({ pThink }) => pThink))].sort((a, b) => a - b);
  const largest = values.at(-1);
  const between = values.slice(1).map((value, index) => midway(values[index] ?? 0, value));
  const never = largest === undefined || largest >= 1 ? [] : [midway(largest, 1)];
  return [0, ...between, ...never].map((threshold) => operatingPoint(items, threshold));
}

/** The Pareto front: points that no other beats in accuracy with as few tokens; fewest tokens first. */
export function paretoFront(points: readonly OperatingPoint[]): OperatingPoint[] {
  const ordered = [...points].sort(
    (a, b) => a.meanTokens - b.meanTokens || b.accuracy - a.accuracy,
  );
  let best = Number.NEGATIVE_INFINITY;
  return ordered.filter(({ accuracy }) => {
    const isBetter = accuracy > best;
    best = Math.max(best, accuracy);
    return isBetter;
  });
}

/** Distance from 0 and 1 that keeps a logit finite. */
const EDGE = 1e-12;

function midway(low: number, high: number): number {
  const middle = 1 / (1 + Math.exp(-(logit(low) + logit(high)) / 2));
  // Neighbouring floating-point numbers have no number between them; the higher one separates them as well.
  return middle > low && middle <= high ? middle : high;
}

function logit(p: number): number {
  const clamped = Math.min(1 - EDGE, Math.max(EDGE, p));
  return Math.log(clamped) - Math.log(1 - clamped);
}

/** Goals of the named profiles, unless the user gives others. */
export const DEFAULT_GOALS: Readonly<Record<string, ThresholdGoal>> = {
  economy: { kind: 'min-gain', value: 0.5 },
  balanced: { kind: 'min-gain', value: 0.9 },
  thorough: { kind: 'min-gain', value: 1 },
};

/** The two extremes that goals refer to. */
export interface Ends {
  readonly never: OperatingPoint;
  readonly always: OperatingPoint;
}

/** Tolerance, so that rounding does not exclude a point that meets its goal exactly. */
const SLACK = 1e-9;

/**
 * The best point for a goal: the most accurate point within a token limit, or the cheapest point of sufficient
 * accuracy.
 * @throws EvaluationError that says what can be reached
 */
export function choosePoint(
  points: readonly OperatingPoint[],
  goal: ThresholdGoal,
  ends: Ends,
): OperatingPoint {
  const best = Math.max(...points.map(({ accuracy }) => accuracy));
  const cheapest = Math.min(...points.map(({ meanTokens }) => meanTokens));
  switch (goal.kind) {
    case 'max-mean-tokens':
      return (
        mostAccurate(points, goal.value) ?? reject(goal, `the fewest are ${cheapest.toFixed(1)}`)
      );
    case 'max-tokens-share': {
      const share = (cheapest / ends.always.meanTokens).toFixed(3);
      return (
        mostAccurate(points, goal.value * ends.always.meanTokens) ??
        reject(goal, `the smallest share is ${share}`)
      );
    }
    case 'min-accuracy':
      return cheapestOf(points, goal.value) ?? reject(goal, `the highest is ${best.toFixed(4)}`);
    case 'min-gain': {
      const wanted = ends.never.accuracy + goal.value * (best - ends.never.accuracy);
      return cheapestOf(points, wanted) ?? reject(goal, 'no threshold gains that much');
    }
  }
}

function mostAccurate(
  points: readonly OperatingPoint[],
  tokens: number,
): OperatingPoint | undefined {
  return points
    .filter(({ meanTokens }) => meanTokens <= tokens + SLACK)
    .sort((a, b) => b.accuracy - a.accuracy || a.meanTokens - b.meanTokens)[0];
}

function cheapestOf(
  points: readonly OperatingPoint[],
  accuracy: number,
): OperatingPoint | undefined {
  return points
    .filter((point) => point.accuracy >= accuracy - SLACK)
    .sort((a, b) => a.meanTokens - b.meanTokens || b.accuracy - a.accuracy)[0];
}

function reject({ kind, value }: ThresholdGoal, reachable: string): never {
  throw new EvaluationError(
    `No threshold reaches --${kind} ${value} on these questions: ${reachable}.`,
  );
}
