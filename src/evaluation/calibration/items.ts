import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { quantile, shuffled } from '../../reports/statistics.ts';
import { EvaluationError } from '../evaluation-error.ts';
import type { ModeScores, Score } from '../report/scores.ts';

/** The judged reply of one mode. */
export interface Outcome {
  readonly isRight: boolean;
  readonly tokens: number;
}

/** One question: its p(think), and the outcomes of a direct answer and of thinking. */
export interface CalibrationItem {
  readonly id: string;
  readonly category: string | null;
  readonly pThink: number;
  readonly fast: Outcome;
  readonly think: Outcome;
}

/** Tokens that auto mode generates for the decision itself, in addition to those of the forced mode. */
export interface DecisionCost {
  readonly fast: number;
  readonly think: number;
}

export interface CalibrationData {
  /** Tokens as auto mode would spend them, decision cost included. */
  readonly items: readonly CalibrationItem[];
  readonly decisionCost: DecisionCost;
  /** Number of questions without p(think) or without a result in a mode. */
  readonly numIncomplete: number;
}

/**
 * Joins the results of the three modes by question.
 * @throws EvaluationError when too few questions are complete
 */
export function calibrationData(modes: readonly ModeScores[]): CalibrationData {
  const [fast, auto, think] = ['fast', 'auto', 'think'].map((name) => scoresById(modes, name));
  if (fast === undefined || auto === undefined || think === undefined) {
    throw new EvaluationError('A calibration needs the modes fast, auto and think.');
  }
  const triples = [...auto].flatMap(([id, own]) => {
    const [direct, thought] = [fast.get(id), think.get(id)];
    const pThink = own.result.thinking?.pThink ?? null;
    const isCounted = Number.isFinite((direct?.tokens.all ?? 0) + (thought?.tokens.all ?? 0));
    return direct && thought && pThink !== null && isCounted
      ? [{ own, direct, thought, pThink }]
      : [];
  });
  const fewest = 20;
  if (triples.length < fewest) {
    throw new EvaluationError(
      `Only ${triples.length} of ${auto.size} questions have p(think) and both outcomes; a calibration needs at least ${fewest}.`,
    );
  }
  const decisionCost: DecisionCost = {
    fast: extraTokens(
      triples.map(({ own, direct }) => ({ own, forced: direct })),
      false,
    ),
    think: extraTokens(
      triples.map(({ own, thought }) => ({ own, forced: thought })),
      true,
    ),
  };
  const items = triples.map(
    ({ own, direct, thought, pThink }): CalibrationItem => ({
      id: own.question.id,
      category: own.question.category,
      pThink,
      fast: { isRight: direct.isRight, tokens: direct.tokens.all + decisionCost.fast },
      think: { isRight: thought.isRight, tokens: thought.tokens.all + decisionCost.think },
    }),
  );
  return { items, decisionCost, numIncomplete: auto.size - items.length };
}

function scoresById(modes: readonly ModeScores[], name: string): Map<string, Score> | undefined {
  const found = modes.find(({ mode }) => mode === name);
  return found && new Map(found.scores.map((score) => [score.question.id, score]));
}

interface Comparison {
  readonly own: Score;
  readonly forced: Score;
}

/** Median of the extra tokens over questions with equal answers in both modes; 0 without such questions. */
function extraTokens(comparisons: readonly Comparison[], hasThought: boolean): number {
  const extras = comparisons
    .filter(
      ({ own, forced }) =>
        own.hasThought === hasThought && own.result.answer === forced.result.answer,
    )
    .map(({ own, forced }) => own.tokens.all - forced.tokens.all)
    .sort((a, b) => a - b);
  return extras.length === 0 ? 0 : Math.max(0, quantile(extras, 0.5));
}

export interface Split {
  readonly chosenOn: readonly CalibrationItem[];
  readonly heldOut: readonly CalibrationItem[];
}

/**
 * Splits every category at random in the same proportion.
 * @param share of the first part, 0 to 1
 */
export function split(items: readonly CalibrationItem[], share: number, seed: number): Split {
  const generator = xoroshiro128plus(seed);
  const categories = [...new Set(items.map(({ category }) => category))];
  const parts = categories.map((name) => {
    const group = shuffled(
      items.filter(({ category }) => category === name),
      generator,
    );
    // Rounds up or down at random: rounding many small categories the same way would distort the share.
    const count = Math.floor(group.length * share + uniformFloat64(generator));
    return { chosenOn: group.slice(0, count), heldOut: group.slice(count) };
  });
  return {
    chosenOn: parts.flatMap(({ chosenOn }) => chosenOn),
    heldOut: parts.flatMap(({ heldOut }) => heldOut),
  };
}
