import type { Answer, Exit, Generate, Outcome, Variant } from './strategy.ts';

/** What S-GRPO (arXiv 2505.07686) writes where it ends the thinking; models that do not know it have words of their own. */
export const EXIT_WORDS = 'Time is limited, stop thinking and start answering.';

export interface EarlyExitOptions {
  readonly positions: readonly number[];
  readonly exitWords: string;
}

/**
 * Early exit at positions (S-GRPO's serial group at inference): one thought that is interrupted at every position to be
 * answered from, and taken up again where it was. The answer from the last position is the reply; it is the model's own
 * where the thought ended before.
 * @param options thinking tokens, ascending; words that end the thinking before the protocol's own text, or ''
 */
export async function earlyExit<A extends Answer>(
  generate: Generate<A>,
  { positions, exitWords }: EarlyExitOptions,
): Promise<Outcome<A>> {
  const stages: A[][] = [];
  const exits: Exit[] = [];
  let before = '';
  let tokens = 0;
  for (const [index, position] of positions.entries()) {
    const answer = await generate({
      mode: 'think',
      budget: position - (positions[index - 1] ?? 0),
      exitWords,
      ...begunWith(before),
    });
    stages.push([answer]);
    const isInterrupted = answer.thinkingEnd === 'budget';
    tokens = isInterrupted ? position : tokens + answer.reasoningTokens;
    exits.push({ position: tokens, answer: answer.text, confidence: null });
    const isLast = index === positions.length - 1;
    if (isInterrupted && !isLast) before += answer.reasoning;
    else {
      const thought = { before, tokens, endedBy: answer.thinkingEnd };
      return { chosen: answer, stages, exits, thought };
    }
  }
  throw new Error('An early exit needs at least one position.');
}

/** Goes on with a thought. */
export function begunWith(text: string): Pick<Variant, 'thought'> {
  return text === '' ? {} : { thought: { text, isClosed: false } };
}
