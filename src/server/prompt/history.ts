import type { Protocol } from '../../package/protocol.ts';
import { ChatInputError } from './chat-input-error.ts';
import type { ChatMessage } from './messages.ts';

/**
 * Decides what of earlier turns' thinking goes back into the prompt, by the protocol's rule.
 * `drop`: none. `after-last-user`: that of assistant turns after the last user message, as `reasoning`.
 * Assistant messages come out with their content as one string and free of thinking.
 * @throws ChatInputError when an assistant message has an image
 */
export function applyHistoryRule(
  messages: readonly ChatMessage[],
  { tags, history }: Pick<Protocol, 'tags' | 'history'>,
): ChatMessage[] {
  const lastUser = messages.map(({ role }) => role).lastIndexOf('user');
  return messages.map((message, index) => {
    if (message.role !== 'assistant') return message;
    const text = assistantText(message, index);
    const { reasoning, answer } = splitThinking(text, tags);
    const kept = message.reasoning ?? reasoning;
    const turn = { ...message, content: answer };
    delete turn.reasoning;
    if (history.thinking === 'drop' || index < lastUser || kept === '') return turn;
    return { ...turn, reasoning: kept };
  });
}

export interface SplitTurn {
  readonly reasoning: string;
  readonly answer: string;
  /** The block was opened and never closed. */
  readonly isOpen: boolean;
}

/** Splits raw output of an assistant turn. A block that was never closed is all thinking. */
export function splitThinking(text: string, tags: Protocol['tags']): SplitTurn {
  const close = text.lastIndexOf(tags.close);
  if (close >= 0) {
    return {
      reasoning: afterOpenTag(text.slice(0, close), tags.open),
      answer: text.slice(close + tags.close.length).trimStart(),
      isOpen: false,
    };
  }
  const open = text.indexOf(tags.open);
  if (open < 0) return { reasoning: '', answer: text, isOpen: false };
  return {
    reasoning: afterOpenTag(text.slice(open), tags.open),
    answer: text.slice(0, open),
    isOpen: true,
  };
}

function afterOpenTag(text: string, open: string): string {
  const start = text.indexOf(open);
  return (start < 0 ? text : text.slice(start + open.length)).trim();
}

/** @throws ChatInputError when the message has an image */
export function assistantText({ content }: ChatMessage, message: number): string {
  if (typeof content === 'string') return content;
  return content
    .map((part, index) => {
      if (part.type === 'text') return part.text;
      throw new ChatInputError(
        'unsupported_content',
        `messages[${message}].content[${index}]`,
        'An assistant message cannot hold an image.',
      );
    })
    .join('');
}
