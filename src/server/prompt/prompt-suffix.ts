import { replaySuffix } from '../../engine/thinking/replay-suffix.ts';
import type { Protocol } from '../../package/protocol.ts';
import type { Continuation } from './continuation.ts';

/** Appends to a text only what it does not already end with, so that no tag is written twice. */
export function appendMissing(text: string, wanted: string): string {
  for (let overlap = wanted.length; overlap > 0; overlap -= 1) {
    if (text.endsWith(wanted.slice(0, overlap))) return text + wanted.slice(overlap);
  }
  return text + wanted;
}

/** The budget as the chat template takes it, where the family was trained to read one. */
export function budgetVariable(
  { budget: { templateVariable } }: Pick<Protocol, 'budget'>,
  budget: number | null,
): Record<string, number> {
  return templateVariable === undefined || budget === null ? {} : { [templateVariable]: budget };
}

export interface ContinuationHead {
  /** From the generation prompt to the reasoning. */
  readonly before: string;
  /** Between reasoning and content. */
  readonly between: string;
}

/** What stands around the texts of a turn that is gone on with: its tags, open or closed as its section says. */
export function continuationHead(
  generationPrompt: string,
  { section, mode }: Continuation,
  protocol: Protocol,
): ContinuationHead {
  const { tags, modes, budget } = protocol;
  const close = `\n${budget.exit.slice(Math.max(0, budget.exit.indexOf(tags.close)))}`;
  const before = appendMissing(generationPrompt, modes[mode]?.prefill ?? '');
  const isOpen = replaySuffix(protocol, before) === 'block-start';
  if (mode === 'fast') return { before: isOpen ? before + close : before, between: '' };
  return {
    before: isOpen ? before : `${before}${tags.open}\n`,
    between: section === 'block' ? '' : close,
  };
}
