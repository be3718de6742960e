import { z } from 'zod';
import { thinkingDecisionSchema, thinkingReportSchema } from '../thinking-report.ts';

const status = z.enum(['in_progress', 'completed', 'incomplete']);

const tokenLogprob = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int()),
});

const logprobs = z.array(tokenLogprob.extend({ top_logprobs: z.array(tokenLogprob) }));

const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs,
});

const reasoningText = z.object({ type: z.literal('reasoning_text'), text: z.string() });
const summaryText = z.object({ type: z.literal('summary_text'), text: z.string() });

const outputItem = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('reasoning'),
    id: z.string(),
    summary: z.array(summaryText),
    content: z.array(reasoningText),
    encrypted_content: z.null(),
    status,
  }),
  z.object({
    type: z.literal('message'),
    id: z.string(),
    role: z.literal('assistant'),
    content: z.array(outputText),
    status,
  }),
  z.object({
    type: z.literal('function_call'),
    id: z.string(),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
    status,
  }),
]);

const usage = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

const echoed = z.record(z.string(), z.unknown());

export const responseSchema = z
  .object({
    id: z.string(),
    object: z.literal('response'),
    created_at: z.int().describe('Unix time in seconds.'),
    completed_at: z.int().nullable(),
    status: z.enum(['in_progress', 'completed', 'incomplete', 'failed']),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    incomplete_details: z.object({ reason: z.literal('max_output_tokens') }).nullable(),
    model: z.string(),
    output: z.array(outputItem),
    usage: usage.nullable(),
    thinking: z
      .union([thinkingReportSchema, thinkingDecisionSchema])
      .nullable()
      .describe("The thinking decision; not in OpenAI's API."),
    instructions: z.string().nullable(),
    max_output_tokens: z.int().nullable(),
    temperature: z.number(),
    top_p: z.number(),
    top_logprobs: z.int(),
    reasoning: z.object({ effort: z.string().nullable(), summary: z.string().nullable() }),
    text: echoed,
    tools: z.array(echoed),
    tool_choice: z.union([z.string(), echoed]),
    parallel_tool_calls: z.boolean(),
    truncation: z.literal('disabled'),
    metadata: z.record(z.string(), z.string()),
    store: z.literal(false),
    background: z.literal(false),
    previous_response_id: z.null(),
    service_tier: z.literal('default'),
  })
  .meta({ id: 'Response' });

const at = { item_id: z.string(), output_index: z.int() };
const inContent = { ...at, content_index: z.int() };
const inSummary = { ...at, summary_index: z.int() };
const contentPart = z.discriminatedUnion('type', [outputText, reasoningText]);

const eventVariants = z.discriminatedUnion('type', [
  z.object({ type: z.literal('response.created'), response: responseSchema }),
  z.object({ type: z.literal('response.in_progress'), response: responseSchema }),
  z.object({
    type: z.literal('response.output_item.added'),
    output_index: z.int(),
    item: outputItem,
  }),
  z.object({
    type: z.literal('response.content_part.added'),
    ...inContent,
    part: contentPart,
  }),
  z.object({
    type: z.literal('response.output_text.delta'),
    ...inContent,
    delta: z.string(),
    logprobs,
  }),
  z.object({
    type: z.literal('response.output_text.done'),
    ...inContent,
    text: z.string(),
    logprobs,
  }),
  z.object({ type: z.literal('response.reasoning_text.delta'), ...inContent, delta: z.string() }),
  z.object({ type: z.literal('response.reasoning_text.done'), ...inContent, text: z.string() }),
  z.object({
    type: z.literal('response.content_part.done'),
    ...inContent,
    part: contentPart,
  }),
  z.object({
    type: z.literal('response.reasoning_summary_part.added'),
    ...inSummary,
    part: summaryText,
  }),
  z.object({
    type: z.literal('response.reasoning_summary_text.delta'),
    ...inSummary,
    delta: z.string(),
  }),
  z.object({
    type: z.literal('response.reasoning_summary_text.done'),
    ...inSummary,
    text: z.string(),
  }),
  z.object({
    type: z.literal('response.reasoning_summary_part.done'),
    ...inSummary,
    part: summaryText,
  }),
  z.object({
    type: z.literal('response.function_call_arguments.delta'),
    ...at,
    delta: z.string(),
  }),
  z.object({
    type: z.literal('response.function_call_arguments.done'),
    ...at,
    name: z.string(),
    arguments: z.string(),
  }),
  z.object({
    type: z.literal('response.output_item.done'),
    output_index: z.int(),
    item: outputItem,
  }),
  z.object({ type: z.literal('response.completed'), response: responseSchema }),
  z.object({ type: z.literal('response.incomplete'), response: responseSchema }),
  z.object({ type: z.literal('response.failed'), response: responseSchema }),
]);

/** The data of one event; the event's name is its type. */
export const responseEventSchema = z
  .intersection(eventVariants, z.object({ sequence_number: z.int() }))
  .meta({ id: 'ResponseEvent' });

export type ResponseObject = z.output<typeof responseSchema>;
export type OutputItem = z.output<typeof outputItem>;
export type ItemStatus = z.output<typeof status>;
export type ResponseEvent = z.output<typeof eventVariants>;
export type ResponseLogprobs = z.output<typeof logprobs>;
export type OutputText = z.output<typeof outputText>;
