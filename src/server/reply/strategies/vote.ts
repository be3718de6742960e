import type { Answer, Vote } from './strategy.ts';

/** Answers that differ only in width forms, case, white space or closing punctuation are one. */
export function normaliseAnswer(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/gu, ' ')
    .trim()
    .replace(/[.,;:!?。！？\s]+$/u, '');
}

export interface Tally<A extends Answer> {
  readonly winner: A;
  /** Most votes first. */
  readonly votes: readonly Vote[];
}

/**
 * Plurality of the normalised answers; an empty answer is no vote unless all are empty. Of answers with equally many
 * votes the one that cost the fewest tokens in all wins, and it is represented by its shortest reply: correct replies
 * tend to be the short ones (Think Deep, Think Fast, arXiv 2504.14047).
 * @throws Error when there is no answer at all
 */
export function tally<A extends Answer>(answers: readonly A[]): Tally<A> {
  const spoken = answers.filter(({ text }) => normaliseAnswer(text) !== '');
  const groups = new Map<string, A[]>();
  for (const answer of spoken.length > 0 ? spoken : answers) {
    const key = normaliseAnswer(answer.text);
    groups.set(key, [...(groups.get(key) ?? []), answer]);
  }
  const ranked = [...groups].sort(
    ([, left], [, right]) => right.length - left.length || tokensOf(left) - tokensOf(right),
  );
  const [winner] = (ranked[0]?.[1] ?? []).toSorted(
    (left, right) => left.completionTokens - right.completionTokens,
  );
  if (winner === undefined) throw new Error('A vote needs at least one answer.');
  return { winner, votes: ranked.map(([answer, group]) => ({ answer, count: group.length })) };
}

function tokensOf(answers: readonly Answer[]): number {
  return answers.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
}
