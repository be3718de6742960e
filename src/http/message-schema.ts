import { z } from 'zod';
import type { ChatMessage, ContentPart } from '../chat/messages.ts';

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
        .describe('A data: URL with the picture in base64, or an http(s) URL the server fetches.'),
      detail: z
        .enum(['auto', 'low', 'high'])
        .optional()
        .describe(
          '`low` looks at the whole picture only; `high` and `auto` also look at its tiles.',
        ),
    }),
  })
  .meta({ id: 'ImagePart' });

const textContent = z.union([z.string(), z.array(textPart).min(1)]);

const instructionMessage = z
  .strictObject({ role: z.enum(['system', 'developer']), content: textContent })
  .meta({ id: 'InstructionMessage' });

const userMessage = z
  .strictObject({
    role: z.literal('user'),
    content: z.union([
      z.string(),
      z.array(z.discriminatedUnion('type', [textPart, imagePart])).min(1),
    ]),
  })
  .meta({ id: 'UserMessage' });

const reasoning = z.string().nullish();

const assistantMessage = z
  .strictObject({
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(textPart).min(1), z.null()]),
    refusal: z.null().optional(),
    reasoning_content: reasoning.describe('Thinking of this earlier turn, as this server sent it.'),
    reasoning: reasoning.describe('The same under its other name; both must agree.'),
  })
  .superRefine((message, context) => {
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

export const messageSchema = z.discriminatedUnion('role', [
  instructionMessage,
  userMessage,
  assistantMessage,
]);

type WireMessage = z.output<typeof messageSchema>;
type WirePart = z.output<typeof textPart> | z.output<typeof imagePart>;

/** Drops the wire's names and doubled fields. `developer` is OpenAI's newer name of `system`. */
export function toChatMessage(message: WireMessage): ChatMessage {
  const content = toContent(message.content);
  if (message.role !== 'assistant') {
    return { role: message.role === 'developer' ? 'system' : message.role, content };
  }
  const reasoning = message.reasoning_content ?? message.reasoning ?? undefined;
  return { role: message.role, content, reasoning };
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
