import { type Answer, type Generate, type Outcome, samples, type Turn } from './strategy.ts';

const REFINE =
  'Above are several independent attempts at the question. Any of them may be wrong, even all. Compare them, check the steps where they differ, and answer the question anew. Give only your own final answer.';
const CHECK =
  'Wait. Look at the question once more, check each step of your answer against it, and correct what is wrong. Give only the final answer.';
const DISTIL =
  'Above are several independent attempts at the question. Write short notes for somebody who will answer it without seeing them: what they agree on, where they contradict each other, which results are certain, what is still open. Do not answer the question itself.';
const USE_NOTES =
  'Above are your notes on the question; they may contain mistakes. Answer the question now, using what holds up.';

/**
 * Generative self-refinement (GSR, arXiv 2509.00084): `k` candidates side by side, then one call that sees the question
 * and all candidates, without their thinking, and may disagree with all of them.
 */
export async function selfRefine<A extends Answer>(
  generate: Generate<A>,
  { k }: { readonly k: number },
): Promise<Outcome<A>> {
  const answers = await samples(generate, { count: k });
  const chosen = await generate({ turns: [attempts(answers), ask(REFINE)], sample: k });
  return { chosen, stages: [answers, [chosen]], candidates: answers.map(({ text }) => text) };
}

/** Forced rethinking (after VL-Rethinker, arXiv 2504.08837): the first answer, then a turn of thinking that checks it. */
export async function rethink<A extends Answer>(generate: Generate<A>): Promise<Outcome<A>> {
  const first = await generate({});
  const turns: readonly Turn[] = [{ role: 'assistant', text: first.text }, ask(CHECK)];
  const chosen = await generate({ turns, mode: 'think' });
  return { chosen, stages: [[first], [chosen]], candidates: [first.text] };
}

export interface DistilOptions {
  readonly drafts: number;
  readonly rounds: number;
  /** Most tokens of the notes. */
  readonly workspaceTokens: number;
}

/**
 * Parallel-Distill-Refine (PDR, arXiv 2510.01123): each round makes drafts side by side and a summary of at
 * most `workspaceTokens`, which is all that the next round sees. The last call answers from the notes.
 */
export async function parallelDistillRefine<A extends Answer>(
  generate: Generate<A>,
  { drafts, rounds, workspaceTokens }: DistilOptions,
): Promise<Outcome<A>> {
  const stages: (readonly A[])[] = [];
  let workspace = '';
  for (let round = 0; round < rounds; round += 1) {
    const turns = notes(workspace);
    const answers = await samples(generate, { count: drafts, first: round * drafts, turns });
    const distilled = await generate({
      turns: [attempts(answers), ask(DISTIL)],
      maxTokens: workspaceTokens,
    });
    stages.push(answers, [distilled]);
    workspace = distilled.text;
  }
  const chosen = await generate({ turns: notes(workspace) });
  return { chosen, stages: [...stages, [chosen]], workspace };
}

function attempts(answers: readonly Answer[]): Turn {
  const shown = answers.map(({ text }, index) => `Attempt ${index + 1}:\n${text.trim()}`);
  return { role: 'assistant', text: shown.join('\n\n') };
}

function notes(workspace: string): readonly Turn[] {
  if (workspace.trim() === '') return [];
  return [{ role: 'assistant', text: `Notes:\n${workspace.trim()}` }, ask(USE_NOTES)];
}

function ask(text: string): Turn {
  return { role: 'user', text };
}
