import { z } from 'zod';
import { chatCompletionRequestSchema, MAX_TOP_LOGPROBS } from '../openai-chat/request-schema.ts';
import { usageSchema } from '../openai-chat/response-schema.ts';

const MAX_PROMPTS = 64;

const tokenIds = z.array(z.int().min(0)).min(1);
const shared = chatCompletionRequestSchema.shape;

/**
 * The body of POST /v1/completions. The model continues prompts as they are: there is no chat template, so there are no
 * fields about thinking.
 */
export const completionRequestSchema = z
  .strictObject({
    model: z.string(),
    prompt: z
      .union([
        z.string(),
        tokenIds,
        z
          .array(z.union([z.string(), tokenIds]))
          .min(1)
          .max(MAX_PROMPTS),
      ])
      .describe(
        'One text or several, each as it is or as token ids; control tokens spelled out in a text count as such.',
      ),
    max_tokens: z
      .int()
      .min(1)
      .nullish()
      .describe('Most tokens to generate. Default 16, as at OpenAI.'),
    n: shared.n,
    best_of: z.int().min(1).nullish().describe('Must be n: nothing is generated to be left out.'),
    echo: z.boolean().nullish().describe('Puts the prompt before the text.'),
    suffix: z.literal(null).optional().describe('Only null: no model served here fills gaps.'),
    logprobs: z
      .int()
      .min(0)
      .max(MAX_TOP_LOGPROBS)
      .nullish()
      .describe('Alternatives to report per generated token; 0 reports the tokens alone.'),
    stream: shared.stream,
    stream_options: shared.stream_options,
    stop: shared.stop,
    stop_token_ids: shared.stop_token_ids,
    min_tokens: shared.min_tokens,
    temperature: shared.temperature,
    top_p: shared.top_p,
    top_k: shared.top_k,
    min_p: shared.min_p,
    repetition_penalty: shared.repetition_penalty,
    presence_penalty: shared.presence_penalty,
    frequency_penalty: shared.frequency_penalty,
    logit_bias: shared.logit_bias,
    seed: shared.seed,
    priority: shared.priority,
    timeout: shared.timeout,
    user: shared.user,
  })
  .superRefine((body, context) => {
    const refuse = (field: string, code: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [field], params: { code }, message });
    };
    const { n, best_of: best, echo, logprobs, stream_options: options, stream } = body;
    if (typeof best === 'number' && best !== (n ?? 1)) {
      const message = `\`best_of\` must be n, ${n ?? 1}; got ${best}: this server generates nothing to leave it out.`;
      refuse('best_of', 'unsupported_value', message);
    }
    if (echo === true && typeof logprobs === 'number') {
      const message = '`echo` and `logprobs` together are not supported: prompts are not scored.';
      refuse('echo', 'unsupported_value', message);
    }
    if (options && stream !== true) {
      refuse(
        'stream_options',
        'conflicting_parameters',
        '`stream_options` needs `stream` to be true.',
      );
    }
  })
  .meta({ id: 'CompletionRequest' });

const logprobsSchema = z
  .object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number().nullable()),
    top_logprobs: z.array(z.record(z.string(), z.number())).nullable(),
    text_offset: z.array(z.int()).describe('Where in the text each token begins.'),
  })
  .meta({ id: 'CompletionLogprobs' });

const finishReason = z.enum(['stop', 'length']);
const stopReason = z.string().nullable().describe('The stop string that ended the text.');

export const completionSchema = z
  .object({
    id: z.string(),
    object: z.literal('text_completion'),
    created: z.int().describe('Unix time in seconds.'),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int().describe('Those of the first prompt first, then those of the next.'),
        text: z.string(),
        logprobs: logprobsSchema.nullable(),
        finish_reason: finishReason,
        stop_reason: stopReason,
      }),
    ),
    usage: usageSchema,
  })
  .meta({ id: 'Completion' });

export const completionChunkSchema = z
  .object({
    id: z.string(),
    object: z.literal('text_completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        text: z.string(),
        logprobs: logprobsSchema.nullable(),
        finish_reason: finishReason.nullable(),
        stop_reason: stopReason.optional(),
      }),
    ),
    usage: usageSchema.nullable().optional(),
  })
  .meta({ id: 'CompletionChunk' });

export type CompletionRequest = z.output<typeof completionRequestSchema>;
export type CompletionLogprobs = z.output<typeof logprobsSchema>;
export type Completion = z.output<typeof completionSchema>;
export type CompletionChunk = z.output<typeof completionChunkSchema>;
