import { mean } from '../../reports/statistics.ts';
import type { CalibrationItem } from './items.ts';

/** The questions of one bin of p(think), and how often thinking pays on them. */
export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly numQuestions: number;
  readonly meanP: number;
  /** Share of questions that only thinking answers correctly. */
  readonly thinkingPays: number;
  readonly fastAccuracy: number;
  readonly thinkAccuracy: number;
}

export interface Reliability {
  readonly bins: readonly ReliabilityBin[];
  /**
   * Probability that a question on which thinking pays has a higher p(think) than one on which it does not (area under
   * the ROC curve; ties count half). null when thinking pays on all questions or on none.
   */
  readonly auroc: number | null;
  /** Expected calibration error: mean distance between p(think) and the share on which thinking pays, weighted by bin. */
  readonly calibrationError: number;
}

const NUM_BINS = 10;

/** Compares p(think) with how often thinking pays. */
export function reliability(items: readonly CalibrationItem[]): Reliability {
  const bins = Array.from({ length: NUM_BINS }, (_, index) => binOf(items, index)).filter(
    ({ numQuestions }) => numQuestions > 0,
  );
  const distances = bins.map(
    ({ meanP, thinkingPays, numQuestions }) => Math.abs(meanP - thinkingPays) * numQuestions,
  );
  return {
    bins,
    auroc: auroc(items),
    calibrationError: distances.reduce((sum, value) => sum + value, 0) / items.length,
  };
}

/** Whether thinking turns a wrong answer into a right one. */
function pays({ fast, think }: CalibrationItem): boolean {
  return think.isRight && !fast.isRight;
}

function binOf(items: readonly CalibrationItem[], index: number): ReliabilityBin {
  const inside = items.filter(
    ({ pThink }) => Math.min(NUM_BINS - 1, Math.floor(pThink * NUM_BINS)) === index,
  );
  return {
    low: index / NUM_BINS,
    high: (index + 1) / NUM_BINS,
    numQuestions: inside.length,
    meanP: mean(inside.map(({ pThink }) => pThink)),
    thinkingPays: mean(inside.map((item) => Number(pays(item)))),
    fastAccuracy: mean(inside.map(({ fast }) => Number(fast.isRight))),
    thinkAccuracy: mean(inside.map(({ think }) => Number(think.isRight))),
  };
}

/** Area under the ROC curve by the rank-sum statistic of Mann and Whitney; equal values share their mean rank. */
function auroc(items: readonly CalibrationItem[]): number | null {
  const ordered = [...items].sort((a, b) => a.pThink - b.pThink);
  const numPaying = ordered.filter(pays).length;
  const numOther = ordered.length - numPaying;
  if (numPaying === 0 || numOther === 0) return null;
  let rankSum = 0;
  for (let start = 0; start < ordered.length; ) {
    const p = ordered[start]?.pThink;
    const next = ordered.findIndex((item, at) => at > start && item.pThink !== p);
    const end = next < 0 ? ordered.length : next;
    const meanRank = (start + 1 + end) / 2;
    rankSum += meanRank * ordered.slice(start, end).filter(pays).length;
    start = end;
  }
  return (rankSum - (numPaying * (numPaying + 1)) / 2) / (numPaying * numOther);
}
