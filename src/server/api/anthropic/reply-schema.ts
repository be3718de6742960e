import { z } from 'zod';
import { thinkingDecisionSchema, thinkingReportSchema } from '../thinking-report.ts';

const textBlock = z.object({
  type: z.literal('text'),
  text: z.string(),
  citations: z.null(),
});

const thinkingBlock = z.object({
  type: z.literal('thinking'),
  thinking: z.string(),
  signature: z.string().describe('The word `unsigned`: this server neither signs nor checks.'),
});

const toolUseBlock = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  caller: z.object({ type: z.literal('direct') }),
});

export const replyBlockSchema = z.discriminatedUnion('type', [
  thinkingBlock,
  textBlock,
  toolUseBlock,
]);

export const messageUsageSchema = z
  .object({
    input_tokens: z.int().describe('Prompt tokens that were not in the cache.'),
    output_tokens: z.int().describe('Generated tokens, including the thinking.'),
    cache_read_input_tokens: z.int(),
    cache_creation_input_tokens: z.int(),
    cache_creation: z.null(),
    output_tokens_details: z.object({ thinking_tokens: z.int() }),
    server_tool_use: z.null(),
    service_tier: z.literal('standard'),
    inference_geo: z.null(),
    speed: z.null(),
  })
  .meta({ id: 'AnthropicUsage' });

const stopReason = z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use']);

export const anthropicReplySchema = z
  .object({
    id: z.string(),
    type: z.literal('message'),
    role: z.literal('assistant'),
    model: z.string(),
    content: z.array(replyBlockSchema),
    stop_reason: stopReason.nullable(),
    stop_sequence: z.string().nullable(),
    stop_details: z.null(),
    container: z.null(),
    diagnostics: z.null(),
    usage: messageUsageSchema,
    decision: z
      .union([thinkingReportSchema, thinkingDecisionSchema])
      .describe("The thinking decision; not in Anthropic's API."),
  })
  .meta({ id: 'AnthropicMessage' });

export const anthropicErrorSchema = z
  .object({
    type: z.literal('error'),
    error: z.object({ type: z.string(), message: z.string() }),
    request_id: z.string().optional(),
  })
  .meta({ id: 'AnthropicError' });

const index = z.int();

/** The data of one event; the event's name is its type. */
export const anthropicEventSchema = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('message_start'), message: anthropicReplySchema }),
    z.object({
      type: z.literal('content_block_start'),
      index,
      content_block: replyBlockSchema,
    }),
    z.object({
      type: z.literal('content_block_delta'),
      index,
      delta: z.discriminatedUnion('type', [
        z.object({ type: z.literal('thinking_delta'), thinking: z.string() }),
        z.object({ type: z.literal('signature_delta'), signature: z.string() }),
        z.object({ type: z.literal('text_delta'), text: z.string() }),
        z.object({ type: z.literal('input_json_delta'), partial_json: z.string() }),
      ]),
    }),
    z.object({ type: z.literal('content_block_stop'), index }),
    z.object({
      type: z.literal('message_delta'),
      delta: z.object({
        stop_reason: stopReason,
        stop_sequence: z.string().nullable(),
        stop_details: z.null(),
        container: z.null(),
      }),
      usage: messageUsageSchema,
      decision: z.union([thinkingReportSchema, thinkingDecisionSchema]).optional(),
    }),
    z.object({ type: z.literal('message_stop') }),
    z.object({ type: z.literal('ping') }),
    anthropicErrorSchema,
  ])
  .meta({ id: 'AnthropicEvent' });

export type AnthropicReply = z.output<typeof anthropicReplySchema>;
export type ReplyBlock = z.output<typeof replyBlockSchema>;
export type AnthropicEvent = z.output<typeof anthropicEventSchema>;
export type MessageUsage = z.output<typeof messageUsageSchema>;
export type StopReason = z.output<typeof stopReason>;
export type AnthropicErrorBody = z.output<typeof anthropicErrorSchema>;
