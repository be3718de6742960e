import type { WireMessage } from '../api/openai-chat/message-schema.ts';

/** A message of a chat that another endpoint's request was turned into, and where it came from. */
export interface Turn {
  readonly message: WireMessage;
  /** The caller's own name of the message. */
  readonly origin: string;
  /** The caller's own names of the content's parts. */
  readonly parts: readonly string[];
}

export type AssistantMessage = Extract<WireMessage, { role: 'assistant' }>;

export interface AssistantContent {
  readonly text: string;
  readonly thinking: string;
  readonly calls: NonNullable<AssistantMessage['tool_calls']>;
}

/** A message of nothing but calls has no content. */
export function assistantMessage({ text, thinking, calls }: AssistantContent): AssistantMessage {
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    ...(thinking !== '' && { reasoning_content: thinking }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** Two pieces of what the assistant wrote as one message. @returns null where one of the turns is another's */
export function mergeAssistants(first: Turn, second: Turn): Turn | null {
  const [a, b] = [first.message, second.message];
  if (a.role !== 'assistant' || b.role !== 'assistant') return null;
  const message = assistantMessage({
    text: `${String(a.content ?? '')}${String(b.content ?? '')}`,
    thinking: `${a.reasoning_content ?? ''}${b.reasoning_content ?? ''}`,
    calls: [...(a.tool_calls ?? []), ...(b.tool_calls ?? [])],
  });
  return { message, origin: first.origin, parts: [] };
}

/**
 * The caller's own name of a field below `messages[…]`.
 * @param renameRest what the field below the message is called there, where it is called otherwise
 * @returns null for any other field
 */
export function nameBelowTurn(
  field: string,
  turns: readonly Turn[],
  renameRest: (rest: string) => string = (rest) => rest,
): string | null {
  const [, index, part, rest = ''] =
    /^messages\[(\d+)\](?:\.content\[(\d+)\])?(.*)$/.exec(field) ?? [];
  const turn = index === undefined ? undefined : turns[Number(index)];
  if (turn === undefined) return null;
  if (part !== undefined) return turn.parts[Number(part)] ?? turn.origin;
  return `${turn.origin}${renameRest(rest)}`;
}
