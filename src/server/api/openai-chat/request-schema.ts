import { z } from 'zod';
import { messageSchema } from './message-schema.ts';
import { responseFormatField } from './response-format.ts';
import { strategyField } from './strategy-fields.ts';
import { thinkingFields } from './thinking-fields.ts';
import { toolFields } from './tool-fields.ts';

export const MAX_STOP_STRINGS = 16;
const MAX_STOP_TOKENS = 64;
export const MAX_TOP_LOGPROBS = 20;

const stopString = z.string().min(1);
const inert = ' Accepted and of no effect on this server.';

/**
 * The body of POST /v1/chat/completions. Every field is honoured or is one of the few marked as having no effect; any
 * other field is rejected by name. `null` is the same as leaving a field out.
 */
export const chatCompletionRequestSchema = z
  .strictObject({
    model: z.string(),
    messages: z.array(messageSchema).min(1),

    continue_final_message: z
      .boolean()
      .nullish()
      .describe('The last message, of the assistant, is the beginning of the reply.'),
    add_generation_prompt: z
      .boolean()
      .nullish()
      .describe('Follows from continue_final_message; anything else is rejected.'),

    stream: z.boolean().nullish(),
    stream_options: z
      .strictObject({
        include_usage: z.boolean().optional(),
        include_obfuscation: z.literal(false).optional(),
      })
      .nullish(),
    n: z
      .int()
      .min(1)
      .nullish()
      .describe(
        'Choices, which share the prompt and its prefill; choice k has the seed `seed` + k. At most as many as the operator allows, 8 by default.',
      ),

    max_completion_tokens: z
      .int()
      .min(1)
      .nullish()
      .describe('Most tokens to generate, thinking included.'),
    max_tokens: z.int().min(1).nullish().describe('The older name of max_completion_tokens.'),
    stop: z
      .union([stopString, z.array(stopString).min(1).max(MAX_STOP_STRINGS)])
      .nullish()
      .describe(
        'The answer ends before any of these. They are looked for in the thinking only with stop_in_thinking.',
      ),
    stop_token_ids: z
      .array(z.int().min(0))
      .max(MAX_STOP_TOKENS)
      .nullish()
      .describe(
        'Tokens that end the answer, their own text left out. Drawn in the thinking they end it only with stop_in_thinking.',
      ),
    min_tokens: z
      .int()
      .min(0)
      .nullish()
      .describe(
        'Fewest tokens of the answer, thinking not counted: before, the end of the turn and stop_token_ids cannot be drawn and stop is not looked for.',
      ),

    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    top_k: z.int().min(-1).nullish().describe('0 and -1 keep all tokens.'),
    min_p: z.number().min(0).max(1).nullish(),
    repetition_penalty: z.number().gt(0).max(10).nullish(),
    presence_penalty: z.number().min(-2).max(2).nullish(),
    frequency_penalty: z.number().min(-2).max(2).nullish(),
    logit_bias: z
      .record(z.string(), z.number().min(-100).max(100))
      .nullish()
      .describe('Token id to the value added to its logit.'),
    seed: z.int().nullish().describe('Without one, every request is sampled afresh.'),

    priority: z
      .int()
      .min(-100)
      .max(100)
      .nullish()
      .describe(
        'Lower goes first among the requests that wait, as in vLLM; a step is worth one second of waiting.',
      ),
    timeout: z
      .number()
      .positive()
      .max(86_400)
      .nullish()
      .describe(
        'Seconds until the last token. A request that has none of its tokens by then is refused with 503; thinking is closed in time for an answer; what is cut off has the finish reason length.',
      ),

    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),

    ...thinkingFields,
    strategy: strategyField,

    ...toolFields,

    modalities: z
      .array(z.literal('text'))
      .min(1)
      .max(1)
      .nullish()
      .describe('Text is what there is.'),

    response_format: responseFormatField,
    user: z.string().nullish().describe(`Who asks.${inert}`),
    safety_identifier: z.string().nullish().describe(`Who asks, hashed.${inert}`),
    prompt_cache_key: z.string().nullish().describe(`A cache hint.${inert}`),
    metadata: z.record(z.string(), z.string()).nullish().describe(`Labels.${inert}`),
    store: z.boolean().nullish().describe(`Nothing is ever stored.${inert}`),
    service_tier: z.enum(['auto', 'default']).nullish().describe(`There is one tier.${inert}`),
  })
  .superRefine((body, context) => {
    const contradict = (field: string, message: string): void => {
      context.addIssue({
        code: 'custom',
        path: [field],
        params: { code: 'conflicting_parameters' },
        message,
      });
    };
    const { max_tokens: older, max_completion_tokens: newer } = body;
    if (typeof older === 'number' && typeof newer === 'number' && older !== newer) {
      contradict(
        'max_tokens',
        `\`max_tokens\` and \`max_completion_tokens\` contradict: they are two names of one limit; got ${older} and ${newer}.`,
      );
    }
    const continues = body.continue_final_message === true;
    if (
      typeof body.add_generation_prompt === 'boolean' &&
      body.add_generation_prompt === continues
    ) {
      contradict(
        'add_generation_prompt',
        `\`add_generation_prompt\` and \`continue_final_message\` contradict: the reply either begins anew or goes on with the last message; got ${continues} for both.`,
      );
    }
    const [last, before] = body.messages.slice(-2).reverse();
    if (last?.role === 'assistant' && before?.role === 'assistant') {
      contradict('messages', '`messages` must not end with two assistant messages in a row.');
    }
    if (typeof body.top_logprobs === 'number' && body.logprobs !== true) {
      contradict('top_logprobs', '`top_logprobs` needs `logprobs` to be true.');
    }
    if (typeof body.stream_options === 'object' && body.stream_options && body.stream !== true) {
      contradict('stream_options', '`stream_options` needs `stream` to be true.');
    }
  })
  .meta({ id: 'ChatCompletionRequest' });

export type ChatCompletionRequest = z.output<typeof chatCompletionRequestSchema>;
