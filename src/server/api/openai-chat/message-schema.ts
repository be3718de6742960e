import { z } from 'zod';
import { isDeeperThan, MAX_NESTING } from '../../http/validation.ts';
import type { ChatMessage, ChatToolCall, ContentPart } from '../../prompt/messages.ts';
import { objectOf } from '../../reply/tool-calls/whole-call.ts';

const textPart = z
  .strictObject({ type: z.literal('text'), text: z.string() })
  .meta({ id: 'TextPart' });

const imagePart = z
  .strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({
      url: z
        .string()
        .min(1)
        .describe(
          'A data: URL with the image in base64, an http(s) URL the server fetches, or a file: URL in the folder it was given.',
        ),
      detail: z
        .enum(['auto', 'low', 'high'])
        .optional()
        .describe(
          '`low` looks at the whole image only, `high` at its tiles too, `auto` at as many of them as the server is set to (all by default).',
        ),
    }),
  })
  .meta({ id: 'ImagePart' });

const textContent = z.union([z.string(), z.array(textPart).min(1)]);

const name = z
  .string()
  .nullish()
  .describe('Name of the speaker, for chat templates that show one; most do not.');

const instructionMessage = z
  .strictObject({ role: z.enum(['system', 'developer']), content: textContent, name })
  .meta({ id: 'InstructionMessage' });

const userMessage = z
  .strictObject({
    role: z.literal('user'),
    content: z.union([
      z.string(),
      z.array(z.discriminatedUnion('type', [textPart, imagePart])).min(1),
    ]),
    name,
  })
  .meta({ id: 'UserMessage' });

const reasoning = z.string().nullish();

const toolCall = z
  .strictObject({
    index: z.int().min(0).nullish().describe('Its place in the list, as deltas have it.'),
    id: z.string().min(1),
    type: z.literal('function'),
    function: z.strictObject({
      name: z.string().min(1),
      arguments: z
        .string()
        .refine((text) => text.trim() === '' || objectOf(text) !== null, {
          message: 'the arguments of a call must be the JSON of an object.',
        })
        .refine((text) => !isDeeperThan(objectOf(text), MAX_NESTING), {
          message: `the arguments of a call must not be nested deeper than ${MAX_NESTING} levels.`,
        })
        .describe('JSON of an object.'),
    }),
  })
  .meta({ id: 'MessageToolCall' });

const assistantMessage = z
  .strictObject({
    role: z.literal('assistant'),
    content: z
      .union([z.string(), z.array(textPart).min(1), z.null()])
      .optional()
      .describe('May be left out or null where there are calls, or thinking alone.'),
    name,
    tool_calls: z.array(toolCall).nullish().describe('Calls of this earlier turn.'),
    refusal: z.null().optional(),
    audio: z.null().optional(),
    function_call: z.null().optional(),
    annotations: z.array(z.never()).max(0).nullish(),
    reasoning_content: reasoning.describe('Thinking of this earlier turn, as this server sent it.'),
    reasoning: reasoning.describe('The same under its other name; both must agree.'),
  })
  .superRefine((message, context) => {
    if (message.content === undefined && (message.tool_calls ?? []).length === 0) {
      context.addIssue({
        code: 'custom',
        path: ['content'],
        message: '`content` is required of an assistant message without calls.',
      });
    }
    for (const [place, { index }] of (message.tool_calls ?? []).entries()) {
      if (typeof index !== 'number' || index === place) continue;
      const text = `a call's \`index\` is its place in the list, here ${place}; got ${index}.`;
      context.addIssue({ code: 'custom', path: ['tool_calls', place, 'index'], message: text });
    }
    const { reasoning_content: left, reasoning: right } = message;
    if (typeof left === 'string' && typeof right === 'string' && left !== right) {
      context.addIssue({
        code: 'custom',
        path: ['reasoning_content'],
        params: { code: 'conflicting_parameters' },
        message:
          '`reasoning_content` and `reasoning` contradict: they are two names of one field and must hold the same text.',
      });
    }
  })
  .meta({ id: 'AssistantMessage' });

const toolMessage = z
  .strictObject({
    role: z.literal('tool'),
    content: textContent,
    tool_call_id: z.string().min(1).describe('Id of the call this is the result of.'),
    name: z.string().nullish().describe('Name of the function; must be that of the call.'),
  })
  .meta({ id: 'ToolMessage' });

export const messageSchema = z.discriminatedUnion('role', [
  instructionMessage,
  userMessage,
  assistantMessage,
  toolMessage,
]);

export type WireMessage = z.output<typeof messageSchema>;
type WirePart = z.output<typeof textPart> | z.output<typeof imagePart>;

/** Drops the wire's names and doubled fields. `developer` is OpenAI's newer name of `system`. */
export function toChatMessage(message: WireMessage): ChatMessage {
  const content = toContent(message.content ?? null);
  const named = typeof message.name === 'string' ? { name: message.name } : {};
  switch (message.role) {
    case 'user':
    case 'system':
    case 'developer':
      return { role: message.role === 'user' ? 'user' : 'system', content, ...named };
    case 'tool':
      return { role: 'tool', content, toolCallId: message.tool_call_id, ...named };
    case 'assistant': {
      const reasoning = message.reasoning_content ?? message.reasoning ?? undefined;
      const calls = message.tool_calls ?? [];
      const toolCalls = calls.length === 0 ? {} : { toolCalls: calls.map(toToolCall) };
      return { role: 'assistant', content, reasoning, ...toolCalls, ...named };
    }
  }
}

function toToolCall({ id, function: call }: z.output<typeof toolCall>): ChatToolCall {
  return { id, name: call.name, arguments: objectOf(call.arguments) ?? {} };
}

function toContent(content: string | readonly WirePart[] | null): ChatMessage['content'] {
  if (content === null) return '';
  return typeof content === 'string' ? content : content.map(toPart);
}

function toPart(part: WirePart): ContentPart {
  return part.type === 'text'
    ? { type: 'text', text: part.text }
    : { type: 'image', source: part.image_url.url, detail: part.image_url.detail ?? 'auto' };
}
