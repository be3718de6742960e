import type { Tool } from '../reply/tool-calls/tool.ts';
import type { LookAlikeMask } from './added-tokens.ts';
import type { ChatMessage } from './messages.ts';

/** Everything in a message that its sender wrote, masked. */
export function hideMessage(message: ChatMessage, mask: LookAlikeMask): ChatMessage {
  const { content, reasoning, toolCalls, toolCallId, name } = message;
  return {
    ...message,
    content:
      typeof content === 'string'
        ? mask.hide(content)
        : content.map((part) =>
            part.type === 'text' ? { ...part, text: mask.hide(part.text) } : part,
          ),
    ...(reasoning !== undefined && { reasoning: mask.hide(reasoning) }),
    ...(toolCallId !== undefined && { toolCallId: mask.hide(toolCallId) }),
    ...(name !== undefined && { name: mask.hide(name) }),
    ...(toolCalls !== undefined && {
      toolCalls: toolCalls.map(({ id, name, arguments: values }) => ({
        id: mask.hide(id),
        name: mask.hide(name),
        arguments: hideValues(values, mask),
      })),
    }),
  };
}

export function hideTool({ name, description, parameters }: Tool, mask: LookAlikeMask): Tool {
  return {
    name: mask.hide(name),
    ...(description !== undefined && { description: mask.hide(description) }),
    ...(parameters !== undefined && { parameters: hideValues(parameters, mask) }),
  };
}

/** Every text the stand-ins of a mask must not occur in. */
export function textsOf(messages: readonly ChatMessage[], tools: readonly Tool[]): string[] {
  return [
    ...messages.flatMap(({ content, reasoning = '', name = '', toolCallId = '', toolCalls }) => [
      reasoning,
      name,
      toolCallId,
      JSON.stringify(toolCalls ?? []),
      ...(typeof content === 'string'
        ? [content]
        : content.map((part) => (part.type === 'text' ? part.text : ''))),
    ]),
    JSON.stringify(tools),
  ];
}

type Values = Readonly<Record<string, unknown>>;

function hideValues(values: Values, mask: LookAlikeMask): Values {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [mask.hide(key), hideValue(value, mask)]),
  );
}

function hideValue(value: unknown, mask: LookAlikeMask): unknown {
  if (typeof value === 'string') return mask.hide(value);
  if (Array.isArray(value)) return value.map((item) => hideValue(item, mask));
  if (typeof value !== 'object' || value === null) return value;
  return hideValues(Object.fromEntries(Object.entries(value)), mask);
}
