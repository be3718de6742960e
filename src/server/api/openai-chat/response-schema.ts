import { z } from 'zod';
import { thinkingDecisionSchema, thinkingReportSchema } from '../thinking-report.ts';
import { strategyReportSchema } from './strategy-fields.ts';

const tokenLogprob = z.object({
  token: z.string(),
  logprob: z.number().nullable().describe('null for tokens that the server wrote.'),
  bytes: z.array(z.int()).nullable().describe('null for control tokens.'),
});

const logprobEntry = tokenLogprob
  .extend({ top_logprobs: z.array(tokenLogprob) })
  .meta({ id: 'TokenLogprob' });

export const choiceLogprobsSchema = z
  .object({
    content: z.array(logprobEntry).describe('Tokens of the answer.'),
    refusal: z.null(),
    reasoning_content: z.array(logprobEntry).describe('Tokens of the thinking, tags included.'),
  })
  .meta({ id: 'ChoiceLogprobs' });

export const usageSchema = z
  .object({
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    total_tokens: z.int(),
    prompt_tokens_details: z.object({
      cached_tokens: z.int(),
      image_tokens: z.int(),
      text_tokens: z.int(),
    }),
    completion_tokens_details: z.object({ reasoning_tokens: z.int() }),
  })
  .meta({ id: 'Usage' });

const finishReason = z.enum(['stop', 'length', 'tool_calls']);

const toolCall = z
  .object({
    id: z.string(),
    type: z.literal('function'),
    function: z.object({
      name: z.string(),
      arguments: z
        .string()
        .describe('The arguments in JSON; incomplete when the reply was cut off.'),
    }),
  })
  .meta({ id: 'ToolCall' });

/** The first delta of a call has its id and name; each appends to the arguments. */
const toolCallDelta = z
  .object({
    index: z.int(),
    id: z.string().optional(),
    type: z.literal('function').optional(),
    function: z.object({ name: z.string().optional(), arguments: z.string() }),
  })
  .meta({ id: 'ToolCallDelta' });

const stopReason = z.string().nullable().describe('The stop string that ended the answer.');

export const chatCompletionSchema = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.int().describe('Unix time in seconds.'),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string().nullable().describe('null when there are only calls.'),
          refusal: z.null(),
          reasoning_content: z.string().nullable(),
          reasoning: z.string().nullable().describe('The same as reasoning_content.'),
          tool_calls: z.array(toolCall).optional(),
        }),
        logprobs: choiceLogprobsSchema.nullable(),
        finish_reason: finishReason,
        stop_reason: stopReason,
        thinking: thinkingReportSchema,
        strategy: strategyReportSchema.optional(),
      }),
    ),
    usage: usageSchema,
  })
  .meta({ id: 'ChatCompletion' });

export const chatCompletionChunkSchema = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion.chunk'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        delta: z.object({
          role: z.literal('assistant').optional(),
          content: z.string().optional(),
          refusal: z.null().optional(),
          reasoning_content: z.string().optional(),
          reasoning: z.string().optional(),
          tool_calls: z.array(toolCallDelta).optional(),
        }),
        logprobs: choiceLogprobsSchema.nullable(),
        finish_reason: finishReason.nullable(),
        stop_reason: stopReason.optional().describe('On the chunk with the finish reason.'),
        thinking: z.union([thinkingReportSchema, thinkingDecisionSchema]).optional(),
      }),
    ),
    usage: usageSchema.nullable().optional(),
  })
  .meta({ id: 'ChatCompletionChunk' });

export const errorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  })
  .meta({ id: 'Error' });

export type ChatCompletion = z.output<typeof chatCompletionSchema>;
export type ChatCompletionChunk = z.output<typeof chatCompletionChunkSchema>;
export type ChunkChoice = ChatCompletionChunk['choices'][number];
export type ChoiceLogprobs = z.output<typeof choiceLogprobsSchema>;
export type LogprobEntry = z.output<typeof logprobEntry>;
export type Usage = z.output<typeof usageSchema>;
