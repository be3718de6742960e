import { z } from 'zod';
import { MAX_TOP_LOGPROBS } from '../openai-chat/request-schema.ts';
import { formatName } from '../openai-chat/response-format.ts';
import { thinkingFields } from '../openai-chat/thinking-fields.ts';
import { functionName, MAX_TOOLS } from '../openai-chat/tool-fields.ts';
import { inputItemSchema } from './input-schema.ts';

const inert = ' Accepted and of no effect on this server.';
const stateless = 'Only null: this server keeps nothing between requests.';

const toolSchema = z
  .strictObject({
    type: z.literal('function'),
    name: functionName,
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z
      .boolean()
      .nullish()
      .describe('Holds the arguments to the schema, or refuses one that cannot be enforced.'),
  })
  .meta({ id: 'ResponseTool' });

const namedTool = z
  .strictObject({ type: z.literal('function'), name: functionName })
  .meta({ id: 'ResponseNamedTool' });

const toolChoiceSchema = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [
    namedTool,
    z
      .strictObject({
        type: z.literal('allowed_tools'),
        mode: z.enum(['auto', 'required']),
        tools: z.array(namedTool).min(1).max(MAX_TOOLS),
      })
      .meta({ id: 'ResponseAllowedTools' }),
  ]),
]);

const formatSchema = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({
      type: z.literal('json_schema'),
      name: formatName('text.format.name'),
      description: z.string().nullish().describe('A label; of no effect on this server.'),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish().describe('The schema is always enforced in full.'),
    }),
  ])
  .describe('Holds the answer, never the thinking, to JSON or to a JSON schema.');

const reasoningSchema = z.strictObject({
  effort: z
    .enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])
    .nullish()
    .describe('none answers without thinking; every other level thinks, within a budget.'),
  summary: z
    .enum(['auto', 'detailed'])
    .nullish()
    .describe(
      'Puts the thinking into the summary of its item, whole: nothing is summarised. Without it the thinking is the content.',
    ),
});

/** The body of POST /v1/responses. Every field is honoured or marked as having no effect; others are rejected by name. */
export const responsesRequestSchema = z
  .strictObject({
    model: z.string(),
    input: z.union([z.string(), z.array(inputItemSchema).min(1)]),
    instructions: z.string().nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.strictObject({ include_obfuscation: z.literal(false).optional() }).nullish(),
    max_output_tokens: z
      .int()
      .min(1)
      .nullish()
      .describe('Most tokens to generate, thinking included.'),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    include: z.array(z.enum(['message.output_text.logprobs'])).nullish(),
    top_logprobs: z
      .int()
      .min(0)
      .max(MAX_TOP_LOGPROBS)
      .nullish()
      .describe('Needs message.output_text.logprobs in include.'),
    reasoning: reasoningSchema.nullish(),
    thinking_mode: thinkingFields.thinking_mode,
    thinking_budget: thinkingFields.thinking_budget,
    text: z
      .strictObject({
        format: formatSchema.nullish(),
        verbosity: z.literal('medium').nullish(),
      })
      .nullish(),
    tools: z.array(toolSchema).max(MAX_TOOLS).nullish().describe('Functions the model may call.'),
    tool_choice: toolChoiceSchema.nullish(),
    parallel_tool_calls: z
      .boolean()
      .nullish()
      .describe('false holds the reply to one call at most.'),
    truncation: z.literal('disabled').nullish(),

    store: z.literal(false).nullish().describe('Nothing is ever stored.'),
    background: z.literal(false).nullish(),
    previous_response_id: z.literal(null).optional().describe(stateless),
    conversation: z.literal(null).optional().describe(stateless),
    prompt: z.literal(null).optional().describe(stateless),

    user: z.string().nullish().describe(`Who asks.${inert}`),
    safety_identifier: z.string().nullish().describe(`Who asks, hashed.${inert}`),
    prompt_cache_key: z.string().nullish().describe(`A cache hint.${inert}`),
    metadata: z.record(z.string(), z.string()).nullish().describe('Labels; they come back.'),
    service_tier: z.enum(['auto', 'default']).nullish().describe(`There is one tier.${inert}`),
  })
  .superRefine(({ include, top_logprobs: top }, context) => {
    if (typeof top !== 'number' || include?.includes('message.output_text.logprobs')) return;
    context.addIssue({
      code: 'custom',
      path: ['top_logprobs'],
      params: { code: 'conflicting_parameters' },
      message: '`top_logprobs` needs `message.output_text.logprobs` in `include`.',
    });
  })
  .meta({ id: 'ResponsesRequest' });

const { shape } = responsesRequestSchema;

/** The body of POST /v1/responses/input_tokens: what decides the prompt. */
export const inputTokensRequestSchema = z
  .strictObject({
    model: shape.model,
    input: shape.input,
    instructions: shape.instructions,
    reasoning: shape.reasoning,
    thinking_mode: shape.thinking_mode,
    thinking_budget: shape.thinking_budget,
    text: shape.text,
    tools: shape.tools,
    tool_choice: shape.tool_choice,
    parallel_tool_calls: shape.parallel_tool_calls,
    truncation: shape.truncation,
    previous_response_id: shape.previous_response_id,
    conversation: shape.conversation,
  })
  .meta({ id: 'InputTokensRequest' });

export type ResponsesRequest = z.output<typeof responsesRequestSchema>;
export type InputTokensRequest = z.output<typeof inputTokensRequestSchema>;
