import { z } from 'zod';
import { isDeeperThan, MAX_NESTING } from '../../http/validation.ts';
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

/** Arguments of a call as clients send them back. */
export const callArguments = z
  .string()
  .refine((text) => text.trim() === '' || objectOf(text) !== null, {
    message: 'the arguments of a call must be the JSON of an object.',
  })
  .refine((text) => !isDeeperThan(objectOf(text), MAX_NESTING), {
    message: `the arguments of a call must not be nested deeper than ${MAX_NESTING} levels.`,
  })
  .describe('JSON of an object.');

const toolCall = z
  .strictObject({
    index: z.int().min(0).nullish().describe('Its place in the list, as deltas have it.'),
    id: z.string().min(1),
    type: z.literal('function'),
    function: z.strictObject({ name: z.string().min(1), arguments: callArguments }),
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
export type WirePart = z.output<typeof textPart> | z.output<typeof imagePart>;
export type WireToolCall = z.output<typeof toolCall>;
