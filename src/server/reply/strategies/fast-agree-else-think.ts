import { type Answer, type Generate, type Outcome, samples } from './strategy.ts';
import { tally } from './vote.ts';

/**
 * `k` direct answers; where all agree that is the answer, else the model thinks once. Gives a model without a choice of
 * its own something like one (the consensus-guided mode of ARM, arXiv 2505.20258).
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
