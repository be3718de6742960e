import type { Dataset } from '../dataset/question.ts';
import type { Failure } from '../run/runner.ts';
import type { RunSettings } from '../run/settings.ts';
import type { ModeScores } from './scores.ts';
import { type Summary, summarize } from './summary.ts';

/** Everything an evaluation found; report.json holds it. */
export interface EvaluationReport extends Summary {
  readonly dataset: {
    readonly name: string;
    readonly sha256: string;
    readonly numQuestions: number;
  };
  readonly settings: RunSettings;
  readonly matcher: string;
  /** Requests under way at once; latencies depend on it. */
  readonly concurrency: number;
  readonly failures: readonly Failure[];
}

/** The intervals are drawn with one seed, so that a report can be made again to the letter. */
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
