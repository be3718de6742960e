import { z } from 'zod';
import { messageSchema } from '../api/openai-chat/message-schema.ts';
import { thinkingFields } from '../api/openai-chat/thinking-fields.ts';
import { toolFields } from '../api/openai-chat/tool-fields.ts';

const modelName = z.string().nullish().describe('May be left out: one model is served here.');

export const tokenizeRequestSchema = z
  .strictObject({
    model: modelName,
    prompt: z
      .string()
      .optional()
      .describe('A text as it is; control tokens spelled out in it count as such.'),
    messages: z
      .array(messageSchema)
      .min(1)
      .optional()
      .describe('A conversation, as it would be answered: template, images and all.'),
    add_special_tokens: z
      .boolean()
      .nullish()
      .describe('Of no effect: no tokenizer served here puts tokens of its own around a text.'),
    return_token_strs: z.boolean().nullish().describe("Also list the vocabulary's spellings."),
    add_generation_prompt: z.literal(true).nullish().describe('The beginning of the reply counts.'),
    continue_final_message: z
      .boolean()
      .nullish()
      .describe('The last message, of the assistant, is the beginning of the reply.'),
    thinking_mode: thinkingFields.thinking_mode,
    chat_template_kwargs: thinkingFields.chat_template_kwargs,
    reasoning_effort: thinkingFields.reasoning_effort,
    tools: toolFields.tools,
  })
  .superRefine((body, context) => {
    const reject = (field: string, message: string): void => {
      const params = { code: 'conflicting_parameters' };
      context.addIssue({ code: 'custom', path: [field], params, message });
    };
    if (body.prompt !== undefined && body.messages !== undefined) {
      reject('prompt', '`prompt` and `messages` contradict: give one of them.');
    }
    if (body.prompt === undefined) return;
    for (const field of CHAT_FIELDS) {
      if (body[field] === undefined || body[field] === null) continue;
      reject(field, `\`${field}\` needs \`messages\`: a \`prompt\` is taken as it is.`);
    }
  })
  .refine(({ prompt, messages }) => prompt !== undefined || messages !== undefined, {
    path: ['prompt'],
    params: { code: 'missing_required_parameter' },
    message: '`prompt` or `messages` is required.',
  })
  .meta({ id: 'TokenizeRequest' });

const CHAT_FIELDS = [
  'add_generation_prompt',
  'continue_final_message',
  'thinking_mode',
  'chat_template_kwargs',
  'reasoning_effort',
  'tools',
] as const;

export const tokenizeReplySchema = z
  .object({
    count: z.int(),
    max_model_len: z.int().describe('Tokens one request may hold, prompt and output together.'),
    tokens: z.array(z.int()),
    token_strs: z.array(z.string()).nullable(),
  })
  .meta({ id: 'TokenizeReply' });

export const detokenizeRequestSchema = z
  .strictObject({ model: modelName, tokens: z.array(z.int().min(0)) })
  .meta({ id: 'DetokenizeRequest' });

export const detokenizeReplySchema = z
  .object({ prompt: z.string().describe('Bytes that are no UTF-8 become U+FFFD.') })
  .meta({ id: 'DetokenizeReply' });

export type TokenizeRequest = z.output<typeof tokenizeRequestSchema>;
