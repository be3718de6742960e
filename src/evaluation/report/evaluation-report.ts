import type { Estimate } from '../../package/profile.ts';
import { bootstrap, mean, proportion, quantile } from '../../reports/statistics.ts';
import type { Dataset } from '../dataset/question.ts';
import type { Failure } from '../run/runner.ts';
import type { RunSettings } from '../run/settings.ts';
import type { ModeScores, Score } from './scores.ts';

/** The result of an evaluation, as stored in report.json. */
export interface EvaluationReport extends Summary {
  readonly dataset: {
    readonly name: string;
    readonly sha256: string;
    readonly numQuestions: number;
  };
  readonly settings: RunSettings;
  readonly matcher: string;
  /** Number of concurrent requests; latencies depend on it. */
  readonly concurrency: number;
  readonly failures: readonly Failure[];
}

/** One seed for all bootstrap intervals, so that a report is reproducible. */
const BOOTSTRAP_SEED = 1;

export function evaluationReport(
  dataset: Dataset,
  evaluated: {
    readonly settings: RunSettings;
    readonly scores: readonly ModeScores[];
    readonly failures: readonly Failure[];
  },
  { matcher, concurrency }: Pick<EvaluationReport, 'matcher' | 'concurrency'>,
): EvaluationReport {
  const { name, sha256, questions } = dataset;
  return {
    dataset: { name, sha256, numQuestions: questions.length },
    settings: evaluated.settings,
    matcher,
    concurrency,
    failures: evaluated.failures,
    ...summarize(evaluated.scores, BOOTSTRAP_SEED),
  };
}

export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

export interface GroupSummary {
  readonly numQuestions: number;
  /** With Wilson's 95 % interval. */
  readonly accuracy: Estimate;
  readonly meanTokens: number;
  /** Share of the questions that the model thought about; null when the server does not report it. */
  readonly thinkingRate: Estimate | null;
}

export interface ModeSummary extends GroupSummary {
  readonly mode: string;
  /** Generated tokens: all, thinking and answer. The mean of all has a 95 % bootstrap interval. */
  readonly tokens: {
    readonly all: Distribution & { readonly interval: Estimate };
    readonly thinking: Distribution;
    readonly answer: Distribution;
  };
  /** Milliseconds from the request to the first text and to the end. */
  readonly latency: { readonly first: Distribution | null; readonly total: Distribution };
  /** Number of questions by what ended the thinking. */
  readonly endedBy: Readonly<Record<string, number>>;
  readonly finishReasons: Readonly<Record<string, number>>;
  readonly categories: Readonly<Record<string, GroupSummary>>;
}

/** The second mode minus the first, on the questions that both answered. */
export interface Difference {
  readonly from: string;
  readonly to: string;
  readonly numQuestions: number;
  /** 95 % intervals by paired bootstrap. */
  readonly accuracy: Estimate;
  readonly tokens: Estimate;
  /** Questions that only the first, and only the second, answered correctly. */
  readonly onlyFrom: number;
  readonly onlyTo: number;
}

export interface Summary {
  readonly modes: readonly ModeSummary[];
  readonly differences: readonly Difference[];
  /** p(think) of the questions, from the first mode that measures it. */
  readonly pThink: readonly number[];
}

export const NO_CATEGORY = 'all';

/** @param seed of the bootstrap */
export function summarize(all: readonly ModeScores[], seed: number): Summary {
  const modes = all.filter(({ scores }) => scores.length > 0);
  const measured = modes.map(({ scores }) => pThinkOf(scores)).find((values) => values.length > 0);
  return {
    modes: modes.map(({ mode, scores }) => summarizeMode(mode, scores, seed)),
    differences: modes.flatMap((from, index) =>
      modes.slice(index + 1).map((to) => difference(from, to, seed)),
    ),
    pThink: measured ?? [],
  };
}

function summarizeMode(mode: string, scores: readonly Score[], seed: number): ModeSummary {
  const all = scores.map(({ tokens }) => tokens.all);
  const first = scores.flatMap(({ result }) => result.ms.first ?? []);
  return {
    mode,
    ...summarizeGroup(scores),
    tokens: {
      all: { ...distribution(all), interval: bootstrap(all, mean, { seed }) },
      thinking: distribution(scores.map(({ tokens }) => tokens.thinking)),
      answer: distribution(scores.map(({ tokens }) => tokens.answer)),
    },
    latency: {
      first: first.length === 0 ? null : distribution(first),
      total: distribution(scores.map(({ result }) => result.ms.total)),
    },
    endedBy: counts(scores.flatMap(({ result }) => result.thinking?.endedBy ?? [])),
    finishReasons: counts(scores.map(({ result }) => result.finishReason ?? 'unknown')),
    categories: Object.fromEntries(
      [...byCategory(scores)].map(([category, group]) => [category, summarizeGroup(group)]),
    ),
  };
}

function summarizeGroup(scores: readonly Score[]): GroupSummary {
  const known = scores.filter(({ hasThought }) => hasThought !== null);
  const thought = known.filter(({ hasThought }) => hasThought === true);
  return {
    numQuestions: scores.length,
    accuracy: proportion(scores.filter(({ isRight }) => isRight).length, scores.length),
    meanTokens: mean(scores.map(({ tokens }) => tokens.all)),
    thinkingRate: known.length === 0 ? null : proportion(thought.length, known.length),
  };
}

function byCategory(scores: readonly Score[]): Map<string, Score[]> {
  const groups = new Map<string, Score[]>();
  for (const score of scores) {
    const category = score.question.category ?? NO_CATEGORY;
    groups.set(category, [...(groups.get(category) ?? []), score]);
  }
  return groups;
}

interface Pair {
  readonly from: Score;
  readonly to: Score;
}

function difference(from: ModeScores, to: ModeScores, seed: number): Difference {
  const others = new Map(to.scores.map((score) => [score.question.id, score]));
  const pairs = from.scores.flatMap((score): Pair[] => {
    const other = others.get(score.question.id);
    return other === undefined ? [] : [{ from: score, to: other }];
  });
  const gain = ({ from: a, to: b }: Pair): number => Number(b.isRight) - Number(a.isRight);
  const cost = ({ from: a, to: b }: Pair): number => b.tokens.all - a.tokens.all;
  return {
    from: from.mode,
    to: to.mode,
    numQuestions: pairs.length,
    accuracy: bootstrap(pairs.map(gain), mean, { seed }),
    tokens: bootstrap(pairs.map(cost), mean, { seed }),
    onlyFrom: pairs.filter((pair) => gain(pair) < 0).length,
    onlyTo: pairs.filter((pair) => gain(pair) > 0).length,
  };
}

export function pThinkOf(scores: readonly Score[]): number[] {
  return scores.flatMap(({ result }) => result.thinking?.pThink ?? []);
}

function distribution(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    mean: mean(sorted),
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
  };
}

function counts(values: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const value of values) found[value] = (found[value] ?? 0) + 1;
  return found;
}
