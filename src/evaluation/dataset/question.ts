/** A labelled question. */
export interface Question {
  /** Unique within the dataset. */
  readonly id: string;
  readonly text: string;
  readonly hint: string | null;
  /** Lettered choices, in order; empty for an open question. */
  readonly options: readonly Option[];
  readonly images: readonly QuestionImage[];
  /** Every answer that counts as right; for a choice, the letter. */
  readonly answers: readonly string[];
  readonly category: string | null;
  /** How the answer is compared with the label; null means the setting of the run. */
  readonly match: MatcherName | null;
}

export interface Option {
  readonly letter: string;
  readonly text: string;
}

/** Bytes stay in memory; a file is read when its question is asked. */
export type QuestionImage =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string };

export const MATCHERS = ['choice', 'exact', 'contains', 'numeric', 'relaxed', 'yes-no'] as const;

export type MatcherName = (typeof MATCHERS)[number];

export interface Dataset {
  /** Name of the file. */
  readonly name: string;
  /** Digest of the file. */
  readonly sha256: string;
  readonly questions: readonly Question[];
}

/** The letter of the option at an index: A, B, … */
export function letterAt(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}
