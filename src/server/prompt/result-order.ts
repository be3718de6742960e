import type { ChatMessage } from './messages.ts';

/**
 * Puts results of several calls into the order of the calls: most templates write no ids, so that the order is all a model
 * has to tell them by.
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
