import { type ChatMessage, textOf } from '../prompt/messages.ts';

/**
 * Merges two pieces of one assistant turn. Other APIs send thinking, text and calls of a turn apart.
 * @returns null unless both are messages of the assistant
 */
export function mergeAssistants(first: ChatMessage, second: ChatMessage): ChatMessage | null {
  if (first.role !== 'assistant' || second.role !== 'assistant') return null;
  const reasoning = `${first.reasoning ?? ''}${second.reasoning ?? ''}`;
  const toolCalls = [...(first.toolCalls ?? []), ...(second.toolCalls ?? [])];
  return {
    role: 'assistant',
    content: `${textOf(first)}${textOf(second)}`,
    ...(reasoning !== '' && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
  };
}
