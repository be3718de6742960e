import { type Answer, type Generate, type Outcome, samples, type Vote } from './strategy.ts';

/** Self-consistency: `k` samples, the most frequent answer, ties to the shortest (Think Deep, Think Fast). */
export async function majorityVote<A extends Answer>(
  generate: Generate<A>,
  { k }: { readonly k: number },
): Promise<Outcome<A>> {
  const answers = await samples(generate, { count: k });
  const { winner, votes } = tally(answers);
  return { chosen: winner, stages: [answers], votes };
}

/**
 * Samples `k` direct answers. If all agree, that is the answer; else the model thinks once. It gives a model that cannot
 * decide for itself something like a decision (the consensus-guided mode of ARM, arXiv 2505.20258).
 */
export async function fastAgreeElseThink<A extends Answer>(
  generate: Generate<A>,
  { k }: { readonly k: number },
): Promise<Outcome<A>> {
  const answers = await samples(generate, { count: k, mode: 'fast' });
  const { winner, votes } = tally(answers);
  if (votes[0]?.count === k && votes[0].answer !== '') {
    return { chosen: winner, stages: [answers], votes, agreed: true };
  }
  const thought = await generate({ mode: 'think' });
  return { chosen: thought, stages: [answers, [thought]], votes, agreed: false };
}

/** Normalises an answer: width forms, case, white space and closing punctuation do not count. */
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
 * Counts the normalised answers; the most frequent wins. An empty answer counts only if all are empty. In a tie the
 * answer with the fewest tokens in total wins, and its shortest reply represents it: correct replies tend to be short
 * (Think Deep, Think Fast, arXiv 2504.14047).
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
