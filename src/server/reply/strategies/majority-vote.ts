import { type Answer, type Generate, type Outcome, samples } from './strategy.ts';
import { tally } from './vote.ts';

/** Self-consistency: `k` samples, the most frequent answer, ties to the shortest (Think Deep, Think Fast). */
export async function majorityVote<A extends Answer>(
  generate: Generate<A>,
  { k }: { readonly k: number },
): Promise<Outcome<A>> {
  const answers = await samples(generate, { count: k });
  const { winner, votes } = tally(answers);
  return { chosen: winner, stages: [answers], votes };
}
