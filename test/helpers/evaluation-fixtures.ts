import type { Question } from '../../src/evaluation/dataset/question.ts';
import type { ModeScores, Score } from '../../src/evaluation/report/scores.ts';
import type { Result } from '../../src/evaluation/run/result-store.ts';

export function question(overrides: Partial<Question> = {}): Question {
  return {
    id: '1',
    text: 'How many?',
    hint: null,
    options: [],
    images: [],
    answers: ['4'],
    category: null,
    match: null,
    ...overrides,
  };
}

/** Options A, B, … with these texts. */
export function options(...texts: string[]): Question['options'] {
  return texts.map((text, index) => ({ letter: 'ABCDEFGHIJ'[index] ?? '', text }));
}

export function result(overrides: Partial<Result> = {}): Result {
  return {
    run: 'r',
    id: '1',
    answer: '4',
    reasoning: null,
    finishReason: 'stop',
    thinking: { mode: 'fast', source: 'model', pThink: 0.25, endedBy: null },
    tokens: { prompt: 5, completion: 3, reasoning: 0 },
    ms: { first: 5, total: 10 },
    ...overrides,
  };
}

export interface ScoreShape {
  readonly id: string;
  readonly isRight: boolean;
  readonly tokens: number;
  readonly pThink?: number | null;
  readonly hasThought?: boolean;
  readonly category?: string | null;
  readonly reasoningTokens?: number;
}

/** A judged reply of which only what figures are made of matters. */
export function score(shape: ScoreShape): Score {
  const { id, isRight, tokens, pThink = null, hasThought = false, category = null } = shape;
  const thinking = shape.reasoningTokens ?? 0;
  return {
    question: question({ id, category }),
    result: result({
      id,
      thinking: { mode: hasThought ? 'think' : 'fast', source: 'model', pThink, endedBy: null },
      tokens: { prompt: 5, completion: tokens, reasoning: thinking },
    }),
    isRight,
    extracted: null,
    hasThought,
    tokens: { all: tokens, thinking, answer: tokens - thinking },
  };
}

export function modeScores(mode: string, shapes: readonly ScoreShape[]): ModeScores {
  return { mode, scores: shapes.map(score) };
}

/** The smallest PNG there is, one pixel. */
export const PIXEL_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
