import type { ThresholdGoal } from '../../package/profile.ts';
import { EvaluationError } from '../evaluation-error.ts';
import type { OperatingPoint } from './curve.ts';

/** What the named profiles aim at unless a goal is given. */
export const DEFAULT_GOALS: Readonly<Record<string, ThresholdGoal>> = {
  economy: { kind: 'min-gain', value: 0.5 },
  balanced: { kind: 'min-gain', value: 0.9 },
  thorough: { kind: 'min-gain', value: 1 },
};

/** The two ends that goals are measured against. */
export interface Ends {
  readonly never: OperatingPoint;
  readonly always: OperatingPoint;
}

/** Rounding must not put a point beside the goal it meets. */
const SLACK = 1e-9;

/**
 * The point that meets a goal best: the most accurate of those that are cheap enough, or the cheapest of those that are
 * accurate enough.
 * @throws EvaluationError saying what can be reached
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
        mostAccurate(points, goal.value) ?? refuse(goal, `the fewest are ${cheapest.toFixed(1)}`)
      );
    case 'max-tokens-share': {
      const share = (cheapest / ends.always.meanTokens).toFixed(3);
      return (
        mostAccurate(points, goal.value * ends.always.meanTokens) ??
        refuse(goal, `the smallest share is ${share}`)
      );
    }
    case 'min-accuracy':
      return cheapestOf(points, goal.value) ?? refuse(goal, `the highest is ${best.toFixed(4)}`);
    case 'min-gain': {
      const wanted = ends.never.accuracy + goal.value * (best - ends.never.accuracy);
      return cheapestOf(points, wanted) ?? refuse(goal, 'no threshold gains that much');
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

function refuse({ kind, value }: ThresholdGoal, reachable: string): never {
  throw new EvaluationError(
    `No threshold reaches --${kind} ${value} on these questions: ${reachable}.`,
  );
}
