import type { Dataset, MatcherName, Question } from '../dataset/question.ts';
import { judge } from '../matching/judge.ts';
import type { Result, ResultStore } from '../run/result-store.ts';
import { type Mode, type RunSettings, runKey } from '../run/settings.ts';

/** A reply compared with its label. */
export interface Score {
  readonly question: Question;
  readonly result: Result;
  readonly isRight: boolean;
  readonly extracted: string | null;
  /** null when the server does not report it. */
  readonly hasThought: boolean | null;
  /** NaN when the server does not report the count. */
  readonly tokens: { readonly all: number; readonly thinking: number; readonly answer: number };
}

export interface ModeScores {
  readonly mode: string;
  readonly scores: readonly Score[];
}

export interface ScoreOptions {
  readonly dataset: Dataset;
  readonly modes: readonly Mode[];
  readonly settings: RunSettings;
  readonly store: Pick<ResultStore, 'find'>;
  readonly matcher: MatcherName | 'auto';
}

/** Scores the stored replies with the current labels and matchers. */
export function scoreResults(options: ScoreOptions): ModeScores[] {
  const { dataset, modes, settings, store, matcher } = options;
  return modes.map((mode) => {
    const run = runKey(dataset, mode, settings);
    const scores = dataset.questions.flatMap((question): Score[] => {
      const result = store.find(run, question.id);
      return result === undefined ? [] : [scoreOf(question, result, matcher)];
    });
    return { mode: mode.name, scores };
  });
}

/** Scores one reply. */
export function scoreOf(question: Question, result: Result, matcher: MatcherName | 'auto'): Score {
  const { completion, reasoning } = result.tokens;
  const all = completion ?? Number.NaN;
  const thinking = reasoning ?? Number.NaN;
  return {
    question,
    result,
    ...judge(result.answer, question, matcher),
    hasThought: thought(result),
    tokens: { all, thinking, answer: Math.max(0, all - thinking) },
  };
}

/** Whether the model thought; servers other than thinkgate show it in the reasoning or the tags. */
function thought({ thinking, reasoning, tokens, answer }: Result): boolean | null {
  if (thinking?.mode != null) return thinking.mode === 'think';
  if (reasoning !== null || (tokens.reasoning ?? 0) > 0) return true;
  if (answer.includes('</think>')) return answer.split('</think>')[0]?.trim() !== '<think>';
  return tokens.reasoning === null ? null : false;
}
