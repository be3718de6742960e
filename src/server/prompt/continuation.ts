import type { Protocol } from '../../package/protocol.ts';
import { ChatInputError } from './chat-input-error.ts';
import { assistantText, splitThinking } from './history.ts';
import type { ChatMessage } from './messages.ts';

/** The beginning of an assistant's turn, to be gone on with. */
export interface Continuation {
  /** Empty where the turn answers directly. */
  readonly reasoning: string;
  readonly content: string;
  /** Where the text stops: inside the thinking, or in the answer. */
  readonly section: 'block' | 'answer';
  /** What the beginning makes of the turn. */
  readonly mode: 'think' | 'fast';
}

/**
 * Reads the last message as the beginning of the reply. Thinking without content is thinking that goes on; raw text
 * with the protocol's tags counts as what it spells.
 * @throws ChatInputError when there is nothing to go on with
 */
export function continuationOf(
  messages: readonly ChatMessage[],
  { tags }: Pick<Protocol, 'tags'>,
): Continuation {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') {
    throw refused(
      `needs an assistant message at the end; the last one is ${last?.role ?? 'none'}.`,
    );
  }
  if (last.toolCalls !== undefined) throw refused('cannot go on with a message that has calls.');
  const text = assistantText(last, messages.length - 1);
  const given = last.reasoning ?? '';
  const { reasoning, answer, isOpen } =
    given === ''
      ? splitThinking(text, tags)
      : { reasoning: given, answer: text, isOpen: text === '' };
  // Text before an open tag: the tag is part of an answer.
  const isAnswer = isOpen && given === '' && answer.trim() !== '';
  if (isOpen && !isAnswer) return { reasoning, content: '', section: 'block', mode: 'think' };
  const content = isAnswer ? text : answer;
  if (text === '') throw refused('needs text to go on with; the last message is empty.');
  if (isAnswer || reasoning.trim() === '') {
    return { reasoning: '', content, section: 'answer', mode: 'fast' };
  }
  return { reasoning, content, section: 'answer', mode: 'think' };
}

function refused(why: string): ChatInputError {
  const field = 'continue_final_message';
  return new ChatInputError('invalid_value', field, `\`${field}\` ${why}`);
}
