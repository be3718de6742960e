import type { Protocol } from '../../package/protocol.ts';
import { assistantText, type ChatMessage } from './messages.ts';

/**
 * Keeps the thinking of earlier turns in the prompt or drops it, by the protocol's rule. `drop` keeps none;
 * `after-last-user` keeps that of assistant turns after the last user message, as `reasoning`. The content of assistant
 * messages becomes one string without thinking.
 * @throws ChatInputError where an assistant message has an image
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

/** Splits the raw text of an assistant turn. A block that is never closed is thinking to its end. */
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

/**
 * Puts the results of several calls into the order of the calls. Most templates write no ids, so the model can match a
 * result to its call only by the order.
 */
export function inOrderOfCalls(messages: readonly ChatMessage[]): ChatMessage[] {
  const ordered: ChatMessage[] = [];
  let placeOf = new Map<string | undefined, number>();
  let results: ChatMessage[] = [];
  const flush = (): void => {
    ordered.push(...results.sort((a, b) => place(a) - place(b)));
    results = [];
  };
  const place = ({ toolCallId }: ChatMessage): number => placeOf.get(toolCallId) ?? placeOf.size;
  for (const message of messages) {
    if (message.role === 'tool') {
      results.push(message);
      continue;
    }
    flush();
    if (message.toolCalls !== undefined) {
      placeOf = new Map(message.toolCalls.map(({ id }, index) => [id, index]));
    }
    ordered.push(message);
  }
  flush();
  return ordered;
}
