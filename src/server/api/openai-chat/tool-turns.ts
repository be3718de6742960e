import type { WireMessage } from './message-schema.ts';

/** A fault in a conversation, and where in `messages` it lies. */
export interface TurnFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Every result must belong to a call that an earlier assistant message made. */
export function checkToolTurns(messages: readonly WireMessage[]): TurnFault[] {
  const called = new Map<string, string>();
  return messages.flatMap((message, index) => {
    if (message.role === 'assistant') {
      for (const { id, function: call } of message.tool_calls ?? []) called.set(id, call.name);
    }
    if (message.role !== 'tool') return [];
    const at = `messages[${index}]`;
    const name = called.get(message.tool_call_id);
    if (name === undefined) {
      const shown = JSON.stringify(message.tool_call_id.slice(0, 60));
      const text = `\`${at}.tool_call_id\` is ${shown}, which no earlier assistant message called.`;
      return [{ path: [index, 'tool_call_id'], message: text }];
    }
    if (typeof message.name !== 'string' || message.name === name) return [];
    const text = `\`${at}.name\` is ${JSON.stringify(message.name.slice(0, 60))}, but the call is of ${JSON.stringify(name)}.`;
    return [{ path: [index, 'name'], message: text }];
  });
}
