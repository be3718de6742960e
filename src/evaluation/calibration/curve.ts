import { mean } from '../../reports/statistics.ts';
import type { CalibrationItem, Outcome } from './items.ts';

/** What a threshold comes to. */
export interface OperatingPoint {
  readonly threshold: number;
  readonly accuracy: number;
  readonly meanTokens: number;
  readonly thinkingRate: number;
}

/** The reply a threshold leads to. */
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
 * Every decision a threshold can make on these questions, from always thinking to never. A threshold lies midway (in
 * log odds) between the two probabilities it parts, so that it does not hang on either to the last bit.
 */
export function operatingPoints(items: readonly CalibrationItem[]): OperatingPoint[] {
  const values = [...new Set(items.map(({ pThink }) => pThink))].sort((a, b) => a - b);
  const largest = values.at(-1);
  const between = values.slice(1).map((value, index) => midway(values[index] ?? 0, value));
  const never = largest === undefined || largest >= 1 ? [] : [midway(largest, 1)];
  return [0, ...between, ...never].map((threshold) => operatingPoint(items, threshold));
}

/** Points that no other beats in accuracy at no more tokens; fewest tokens first. */
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

/** Far enough from 0 and 1 for a logit. */
const EDGE = 1e-12;

function midway(low: number, high: number): number {
  const middle = 1 / (1 + Math.exp(-(logit(low) + logit(high)) / 2));
  // Between two neighbours of machine precision there may be nothing: the higher one parts them as well.
  return middle > low && middle <= high ? middle : high;
}

function logit(p: number): number {
  const clamped = Math.min(1 - EDGE, Math.max(EDGE, p));
  return Math.log(clamped) - Math.log(1 - clamped);
}
