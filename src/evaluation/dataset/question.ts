/** A labelled question, whatever file it came from. */
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
  /** How the answer is held against the label; null leaves it to the dataset's setting. */
  readonly match: MatcherName | null;
}

export interface Option {
  readonly letter: string;
  readonly text: string;
}

/** Bytes are kept as they came, a file is read when it is asked about. */
export type QuestionImage =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string };

export const MATCHERS = ['choice', 'exact', 'contains', 'numeric', 'relaxed', 'yes-no'] as const;

export type MatcherName = (typeof MATCHERS)[number];

export interface Dataset {
  /** The file's own name. */
  readonly name: string;
  /** Of the file. */
  readonly sha256: string;
  readonly questions: readonly Question[];
}

/** The letter of the option at an index: A, B, … */
export function letterAt(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}
