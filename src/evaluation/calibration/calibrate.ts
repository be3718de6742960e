import type { ThinkingProfile, ThresholdGoal } from '../../package/profile.ts';
import { bootstrap, mean } from '../../reports/statistics.ts';
import type { Dataset } from '../dataset/question.ts';
import type { ModeScores } from '../report/scores.ts';
import type { RunSettings } from '../run/settings.ts';
import { type CalibrationItem, calibrationData, type DecisionCost, split } from './items.ts';
import {
  choosePoint,
  type Ends,
  type OperatingPoint,
  operatingPoint,
  operatingPoints,
  outcomeAt,
  paretoFront,
} from './operating-points.ts';
import { type Reliability, reliability } from './reliability.ts';

export interface CalibrationOptions {
  readonly dataset: Dataset;
  readonly settings: RunSettings;
  readonly scores: readonly ModeScores[];
  readonly goals: Readonly<Record<string, ThresholdGoal>>;
  /** Share of the questions on which thresholds are chosen; the results are measured on the others. */
  readonly splitShare: number;
  readonly seed: number;
}

export interface ChosenProfile {
  readonly name: string;
  readonly profile: ThinkingProfile;
  /** Result on the questions on which the threshold was chosen. */
  readonly chosenOn: OperatingPoint;
}

/** Reference points: never thinking, always thinking, the model's own choice, and a perfect choice (oracle). */
export interface References extends Ends {
  readonly own: OperatingPoint;
  readonly oracle: Omit<OperatingPoint, 'threshold'>;
}

/** The result of a calibration, as stored in calibration.json. */
export interface CalibrationReport {
  readonly dataset: {
    readonly name: string;
    readonly sha256: string;
    readonly numQuestions: number;
    readonly numIncomplete: number;
  };
  readonly settings: RunSettings;
  readonly split: {
    readonly seed: number;
    readonly numChosenOn: number;
    readonly numHeldOut: number;
  };
  readonly decisionCost: DecisionCost;
  readonly profiles: readonly ChosenProfile[];
  /** Curves on the questions on which thresholds were chosen, their Pareto front, and on the held-out questions. */
  readonly curves: {
    readonly chosenOn: readonly OperatingPoint[];
    readonly front: readonly OperatingPoint[];
    readonly heldOut: readonly OperatingPoint[];
  };
  /** On the held-out questions. */
  readonly references: References;
  /** On all questions. */
  readonly reliability: Reliability;
  readonly pThink: readonly number[];
}

/**
 * Chooses a threshold for every goal on one part of the questions and measures it on the rest.
 * @throws EvaluationError when there are too few questions or a goal cannot be reached
 */
export function calibrate(options: CalibrationOptions): CalibrationReport {
  const { dataset, settings, goals, seed } = options;
  const { items, decisionCost, numIncomplete } = calibrationData(options.scores);
  const { chosenOn, heldOut } = split(items, options.splitShare, seed);
  const points = operatingPoints(chosenOn);
  const ends: Ends = references(chosenOn);
  const profiles = Object.entries(goals).map(([name, goal]): ChosenProfile => {
    const point = choosePoint(points, goal, ends);
    const measured = measure(heldOut, point.threshold, seed);
    const source = { name: dataset.name, sha256: dataset.sha256 };
    return {
      name,
      profile: { threshold: point.threshold, goal, dataset: source, heldOut: measured },
      chosenOn: point,
    };
  });
  return {
    dataset: {
      name: dataset.name,
      sha256: dataset.sha256,
      numQuestions: items.length,
      numIncomplete,
    },
    settings,
    split: { seed, numChosenOn: chosenOn.length, numHeldOut: heldOut.length },
    decisionCost,
    profiles,
    curves: {
      chosenOn: points,
      front: paretoFront(points),
      heldOut: operatingPoints(heldOut),
    },
    references: references(heldOut),
    reliability: reliability(items),
    pThink: items.map(({ pThink }) => pThink),
  };
}

/** At temperature 0 the model thinks when thinking is the more probable choice. */
const OWN_THRESHOLD = 0.5;

function references(items: readonly CalibrationItem[]): References {
  const best = items.map(({ fast, think }) => (think.isRight && !fast.isRight ? think : fast));
  return {
    never: operatingPoint(items, Number.POSITIVE_INFINITY),
    always: operatingPoint(items, 0),
    own: operatingPoint(items, OWN_THRESHOLD),
    oracle: {
      accuracy: mean(best.map(({ isRight }) => Number(isRight))),
      meanTokens: mean(best.map(({ tokens }) => tokens)),
      thinkingRate: mean(items.map(({ fast, think }) => Number(think.isRight && !fast.isRight))),
    },
  };
}

/** Measures a threshold, with bootstrap intervals. */
function measure(
  items: readonly CalibrationItem[],
  threshold: number,
  seed: number,
): ThinkingProfile['heldOut'] {
  const rows = items.map((item) => {
    const { isRight, tokens } = outcomeAt(item, threshold);
    const thinks = Number(item.pThink >= threshold);
    return { right: Number(isRight), tokens, always: item.think.tokens, thinks };
  });
  type Row = (typeof rows)[number];
  const estimate = (statistic: (sample: readonly Row[]) => number) =>
    bootstrap(rows, statistic, { seed });
  const tokensOf = (sample: readonly Row[]): number => mean(sample.map(({ tokens }) => tokens));
  return {
    numQuestions: items.length,
    accuracy: estimate((sample) => mean(sample.map(({ right }) => right))),
    meanTokens: estimate(tokensOf),
    tokensShare: estimate((sample) => tokensOf(sample) / mean(sample.map(({ always }) => always))),
    thinkingRate: estimate((sample) => mean(sample.map(({ thinks }) => thinks))),
  };
}
