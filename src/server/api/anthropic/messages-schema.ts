import { z } from 'zod';
import { MAX_STOP_STRINGS } from '../openai-chat/request-schema.ts';
import { functionName, MAX_TOOLS } from '../openai-chat/tool-fields.ts';
import { anthropicMessageSchema, cacheControlSchema, textBlock } from './content-schema.ts';

const inert = ' Accepted and of no effect on this server.';

const thinkingSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('enabled'),
    budget_tokens: z.int().min(1).describe('Most thinking tokens.'),
    display: z.enum(['summarized', 'omitted']).nullish(),
  }),
  z.strictObject({
    type: z.literal('adaptive'),
    display: z
      .enum(['summarized', 'omitted'])
      .nullish()
      .describe('omitted leaves the blocks empty. Nothing is summarised: the thinking is whole.'),
  }),
  z.strictObject({ type: z.literal('disabled') }),
]);

const toolSchema = z
  .strictObject({
    type: z.literal('custom').nullish(),
    name: functionName,
    description: z.string().nullish(),
    input_schema: z.record(z.string(), z.unknown()).describe('JSON schema of the input.'),
    strict: z
      .boolean()
      .nullish()
      .describe('Holds the input to the schema, or refuses one that cannot be enforced.'),
    cache_control: cacheControlSchema,
  })
  .meta({ id: 'AnthropicTool' });

const oneCall = z.boolean().nullish().describe('true holds the reply to one call at most.');

const shared = {
  model: z.string(),
  messages: z
    .array(anthropicMessageSchema)
    .min(1)
    .describe('A last message of the assistant is the beginning of the reply.'),
  system: z.union([z.string(), z.array(textBlock)]).nullish(),
  thinking: thinkingSchema
    .nullish()
    .describe(
      'enabled thinks within the budget, disabled answers directly, adaptive leaves it to the model. Without it the model decides as well, but no thinking blocks are sent.',
    ),
  output_config: z
    .strictObject({
      effort: z
        .enum(['low', 'medium', 'high', 'xhigh', 'max'])
        .nullish()
        .describe("A budget for the thinking, this server's for that level."),
      format: z
        .strictObject({
          type: z.literal('json_schema'),
          schema: z.record(z.string(), z.unknown()),
        })
        .nullish()
        .describe('Holds the answer, never the thinking, to the schema.'),
    })
    .nullish(),
  tools: z.array(toolSchema).max(MAX_TOOLS).nullish(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('auto'), disable_parallel_tool_use: oneCall }),
      z.strictObject({ type: z.literal('any'), disable_parallel_tool_use: oneCall }),
      z.strictObject({
        type: z.literal('tool'),
        name: functionName,
        disable_parallel_tool_use: oneCall,
      }),
      z.strictObject({ type: z.literal('none') }),
    ])
    .nullish(),
  cache_control: cacheControlSchema,
};

export const countTokensRequestSchema = z
  .strictObject(shared)
  .meta({ id: 'AnthropicCountTokensRequest' });

/** The body of POST /v1/messages. Every field is honoured or marked as having no effect; others are rejected by name. */
export const messagesRequestSchema = z
  .strictObject({
    ...shared,
    max_tokens: z.int().min(1).describe('Most tokens to generate, thinking included.'),
    stream: z.boolean().nullish(),
    stop_sequences: z.array(z.string().min(1)).max(MAX_STOP_STRINGS).nullish(),
    temperature: z.number().min(0).max(1).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    top_k: z.int().min(0).nullish().describe('0 keeps all tokens.'),
    metadata: z
      .strictObject({ user_id: z.string().nullish() })
      .nullish()
      .describe(`Who asks.${inert}`),
    service_tier: z
      .enum(['auto', 'standard_only'])
      .nullish()
      .describe(`There is one tier.${inert}`),
  })
  .meta({ id: 'AnthropicMessagesRequest' });

export type MessagesRequest = z.output<typeof messagesRequestSchema>;
export type CountTokensRequest = z.output<typeof countTokensRequestSchema>;
