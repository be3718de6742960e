import { replaySuffix } from '../../engine/thinking/replay-suffix.ts';
import type { Section } from '../../engine/thinking/section-parser.ts';
import type { DecidedMode, Protocol } from '../../package/protocol.ts';
import { ChatInputError } from './chat-input-error.ts';
import { splitThinking } from './history.ts';
import { assistantText, type ChatMessage, type ConversationFields } from './messages.ts';

/** The beginning of an assistant turn that the model is to continue. */
export interface Continuation {
  /** Empty where the turn answers directly. */
  readonly reasoning: string;
  readonly content: string;
  /** Where the text stops: inside the thinking, or in the answer. */
  readonly section: Extract<Section, 'reasoning' | 'answer'>;
  /** The mode that the beginning shows. */
  readonly mode: DecidedMode;
}

/**
 * Reads the last message as the beginning of the reply. Thinking without content is thinking that continues; in text
 * with the protocol's tags the tags count.
 * @throws ChatInputError where there is nothing to continue
 */
export function continuationOf(
  messages: readonly ChatMessage[],
  { tags }: Pick<Protocol, 'tags'>,
  { continuesFinal: field }: Pick<ConversationFields, 'continuesFinal'>,
): Continuation {
  const reject = (why: string): ChatInputError =>
    new ChatInputError('invalid_value', field, `\`${field}\` ${why}`);
  const last = messages.at(-1);
  if (last?.role !== 'assistant') {
    throw reject(`needs an assistant message at the end; the last one is ${last?.role ?? 'none'}.`);
  }
  if (last.toolCalls !== undefined) throw reject('cannot go on with a message that has calls.');
  const text = assistantText(last, messages.length - 1);
  const given = last.reasoning ?? '';
  const { reasoning, answer, isOpen } =
    given === ''
      ? splitThinking(text, tags)
      : { reasoning: given, answer: text, isOpen: text === '' };
  // After text, an open tag is part of an answer.
  const isAnswer = isOpen && given === '' && answer.trim() !== '';
  if (isOpen && !isAnswer) return { reasoning, content: '', section: 'reasoning', mode: 'think' };
  const content = isAnswer ? text : answer;
  if (text === '') throw reject('needs text to go on with; the last message is empty.');
  if (isAnswer || reasoning.trim() === '') {
    return { reasoning: '', content, section: 'answer', mode: 'fast' };
  }
  return { reasoning, content, section: 'answer', mode: 'think' };
}

/** Appends only the part of `wanted` that the text does not already end with, so that no tag is written twice. */
export function appendMissing(text: string, wanted: string): string {
  for (let overlap = wanted.length; overlap > 0; overlap -= 1) {
    if (text.endsWith(wanted.slice(0, overlap))) return text + wanted.slice(overlap);
  }
  return text + wanted;
}

/** The protocol text around a turn that continues. */
export interface ContinuationHead {
  /** From the generation prompt to the reasoning. */
  readonly before: string;
  /** Between reasoning and content. */
  readonly between: string;
}

/** The tags around the texts of a turn that continues, open or closed as its section says. */
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
    between: section === 'reasoning' ? '' : close,
  };
}
