import type { Estimate } from '../../package/profile.ts';
import { bootstrap, mean, proportion, quantile } from '../../reports/statistics.ts';
import type { Dataset } from '../dataset/question.ts';
import { normalized } from '../matching/final-answer.ts';
import type { ModeScores, Score } from '../report/scores.ts';
import type { RunSettings } from '../run/settings.ts';
import { type LogprobDistance, logprobDistance } from './logprob-distance.ts';

/** The scores of one package or server. */
export interface Candidate {
  readonly name: string;
  readonly settings: RunSettings;
  readonly scores: readonly ModeScores[];
}

/** p(think) of one question by two packages. */
export interface FlippedDecision {
  readonly id: string;
  readonly reference: number;
  readonly other: number;
}

/** One candidate compared with the reference, in one mode. */
export interface Fidelity {
  readonly name: string;
  readonly mode: string;
  readonly numQuestions: number;
  readonly accuracy: Estimate;
  /** Minus the reference's, on the same questions. */
  readonly accuracyChange: Estimate;
  readonly meanTokens: number;
  readonly answers: {
    readonly changed: number;
    /** Changed answers that only the reference has right, and those that only the candidate has right. */
    readonly lost: number;
    readonly gained: number;
    /** Replies that are equal token by token. */
    readonly identical: number;
  };
  readonly logprobs: {
    readonly numPositions: number;
    /** Mean |Δ log p| over tokens that both list. */
    readonly meanAbsolute: number;
    readonly largest: number;
    /** Mean over positions, in nats; a lower bound. */
    readonly divergence: number;
    /** Share of positions with the same most probable token. */
    readonly sameFirst: number;
  } | null;
  readonly decisions: DecisionFidelity | null;
}

export interface DecisionFidelity {
  readonly numMeasured: number;
  readonly flipped: readonly FlippedDecision[];
  /** |Δ| of the log odds of thinking. */
  readonly shift: { readonly mean: number; readonly p90: number; readonly largest: number };
  /** Distance of the reference's log odds from a tie. */
  readonly margin: { readonly smallest: number; readonly p10: number; readonly median: number };
  /** Questions closer to a tie than the largest shift. */
  readonly numAtRisk: number;
  readonly pairs: readonly FlippedDecision[];
}

export interface FidelityReport {
  readonly dataset: {
    readonly name: string;
    readonly sha256: string;
    readonly numQuestions: number;
  };
  readonly reference: { readonly name: string; readonly settings: RunSettings };
  readonly candidates: readonly { readonly name: string; readonly settings: RunSettings }[];
  readonly references: readonly {
    readonly mode: string;
    readonly accuracy: Estimate;
    readonly meanTokens: number;
  }[];
  readonly comparisons: readonly Fidelity[];
}

const BOOTSTRAP_SEED = 1;

/** Compares every candidate with the first, the reference. */
export function fidelityReport(dataset: Dataset, candidates: readonly Candidate[]): FidelityReport {
  const [reference, ...others] = candidates;
  if (reference === undefined) throw new Error('There is nothing to compare.');
  const { name, sha256, questions } = dataset;
  return {
    dataset: { name, sha256, numQuestions: questions.length },
    reference: { name: reference.name, settings: reference.settings },
    candidates: others.map((other) => ({ name: other.name, settings: other.settings })),
    references: reference.scores.map(({ mode, scores }) => ({
      mode,
      accuracy: proportion(scores.filter(({ isRight }) => isRight).length, scores.length),
      meanTokens: mean(scores.map(({ tokens }) => tokens.all)),
    })),
    comparisons: others.flatMap((other) => compareModes(reference, other)),
  };
}

function compareModes(reference: Candidate, other: Candidate): Fidelity[] {
  return reference.scores.flatMap(({ mode, scores }) => {
    const theirs = other.scores.find((candidate) => candidate.mode === mode);
    const byId = new Map(theirs?.scores.map((score) => [score.question.id, score]));
    const pairs = scores.flatMap((score): Pair[] => {
      const match = byId.get(score.question.id);
      return match === undefined ? [] : [{ reference: score, other: match }];
    });
    return pairs.length === 0 ? [] : [compare(other.name, mode, pairs)];
  });
}

interface Pair {
  readonly reference: Score;
  readonly other: Score;
}

function compare(name: string, mode: string, pairs: readonly Pair[]): Fidelity {
  const right = pairs.filter(({ other }) => other.isRight).length;
  const changed = pairs.filter(isChanged);
  const distances = pairs.map(({ reference, other }) =>
    logprobDistance(reference.result, other.result),
  );
  const change = ({ reference, other }: Pair): number =>
    Number(other.isRight) - Number(reference.isRight);
  return {
    name,
    mode,
    numQuestions: pairs.length,
    accuracy: proportion(right, pairs.length),
    accuracyChange: bootstrap(pairs.map(change), mean, { seed: BOOTSTRAP_SEED }),
    meanTokens: mean(pairs.map(({ other }) => other.tokens.all)),
    answers: {
      changed: changed.length,
      lost: changed.filter((pair) => change(pair) < 0).length,
      gained: changed.filter((pair) => change(pair) > 0).length,
      identical: distances.filter(({ isIdentical }) => isIdentical).length,
    },
    logprobs: summarizeLogprobs(distances),
    decisions: compareDecisions(pairs),
  };
}

function isChanged({ reference, other }: Pair): boolean {
  return normalized(reference.result.answer) !== normalized(other.result.answer);
}

function summarizeLogprobs(distances: readonly LogprobDistance[]): Fidelity['logprobs'] {
  const total = (read: (distance: LogprobDistance) => number): number =>
    distances.reduce((sum, distance) => sum + read(distance), 0);
  const numPositions = total((distance) => distance.numPositions);
  if (numPositions === 0) return null;
  return {
    numPositions,
    meanAbsolute:
      total(({ sumAbsolute }) => sumAbsolute) /
      Math.max(
        1,
        total(({ numTokens }) => numTokens),
      ),
    largest: Math.max(...distances.map(({ largest }) => largest)),
    divergence: total(({ sumDivergence }) => sumDivergence) / numPositions,
    sameFirst: total(({ sameFirst }) => sameFirst) / numPositions,
  };
}

function compareDecisions(pairs: readonly Pair[]): DecisionFidelity | null {
  const measured = pairs.flatMap(
    ({ reference, other }): (FlippedDecision & { isFlipped: boolean })[] => {
      const [p, q] = [reference, other].map(({ result }) => result.thinking?.pThink ?? null);
      if (p == null || q == null) return [];
      const isFlipped = reference.hasThought !== other.hasThought;
      return [{ id: reference.question.id, reference: p, other: q, isFlipped }];
    },
  );
  if (measured.length === 0) return null;
  const shifts = ascending(
    measured.map((pair) => Math.abs(logit(pair.reference) - logit(pair.other))),
  );
  const margins = ascending(measured.map((pair) => Math.abs(logit(pair.reference))));
  const largest = shifts.at(-1) ?? 0;
  const plain = measured.map(({ isFlipped: _, ...pair }) => pair);
  return {
    numMeasured: measured.length,
    flipped: plain.filter((_, index) => measured[index]?.isFlipped),
    shift: { mean: mean(shifts), p90: quantile(shifts, 0.9), largest },
    margin: {
      smallest: margins[0] ?? 0,
      p10: quantile(margins, 0.1),
      median: quantile(margins, 0.5),
    },
    numAtRisk: margins.filter((margin) => margin < largest).length,
    pairs: plain,
  };
}

function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

/** Distance from 0 and 1 that keeps a logit finite. */
const EDGE = 1e-12;

function logit(p: number): number {
  const clamped = Math.min(1 - EDGE, Math.max(EDGE, p));
  return Math.log(clamped) - Math.log(1 - clamped);
}
