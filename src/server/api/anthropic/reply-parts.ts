import type { TokenUsage } from '../../../engine/generation.ts';
import type { ReplyContext, ReplyIdentity } from '../../reply/reply-context.ts';
import type { ReplyFinish } from '../../reply/reply-events.ts';
import { objectOf } from '../../reply/tool-calls/whole-call.ts';
import type { WholeReply } from '../../reply/whole-reply.ts';
import { type ThinkingDecision, toThinkingReport } from '../thinking-report.ts';
import type { AnthropicReply, MessageUsage, ReplyBlock, StopReason } from './reply-schema.ts';

/** Takes the place of Anthropic's signature: clients send it back, and some drop blocks without one. */
export const SIGNATURE = 'unsigned';

/** How much of the thinking is shown: its text, blocks without text, or nothing. */
export type ThinkingDisplay = 'whole' | 'omitted' | 'hidden';

/** Renders a whole reply as a message. */
export function toMessage(
  reply: WholeReply,
  context: ReplyContext,
  display: ThinkingDisplay,
): AnthropicReply {
  const { finish } = reply;
  return {
    ...messageHead(context.identity, toThinkingReport(finish, context)),
    content: toBlocks(reply, display),
    stop_reason: toStopReason(finish),
    stop_sequence: finish.stopString,
    usage: toMessageUsage(finish.usage),
  };
}

/** The fields of a message that has no content yet. */
export function messageHead(
  { id, model }: Pick<ReplyIdentity, 'id' | 'model'>,
  decision: ThinkingDecision,
): Omit<AnthropicReply, 'usage'> {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    decision,
  };
}

export function toStopReason({
  reason,
  stopString,
}: Pick<ReplyFinish, 'reason' | 'stopString'>): StopReason {
  if (reason === 'tool_calls') return 'tool_use';
  if (reason === 'length') return 'max_tokens';
  return stopString === null ? 'end_turn' : 'stop_sequence';
}

/** Anthropic counts prompt tokens from the cache separately. */
export function toMessageUsage({
  promptTokens,
  cachedTokens,
  completionTokens,
  reasoningTokens,
}: Omit<TokenUsage, 'imageTokens' | 'preambleTokens'>): MessageUsage {
  return {
    input_tokens: promptTokens - cachedTokens,
    output_tokens: completionTokens,
    cache_read_input_tokens: cachedTokens,
    cache_creation_input_tokens: 0,
    cache_creation: null,
    output_tokens_details: { thinking_tokens: reasoningTokens },
    server_tool_use: null,
    service_tier: 'standard',
    inference_geo: null,
    speed: null,
  };
}

function toBlocks(
  { reasoning, content, toolCalls }: WholeReply,
  display: ThinkingDisplay,
): ReplyBlock[] {
  const blocks: ReplyBlock[] = [];
  if (reasoning !== '' && display !== 'hidden') {
    const shown = display === 'whole' ? reasoning : '';
    blocks.push({ type: 'thinking', thinking: shown, signature: SIGNATURE });
  }
  if (content !== '') blocks.push({ type: 'text', text: content, citations: null });
  for (const { id, name, arguments: text } of toolCalls) {
    // A call that was cut off within its input has none.
    blocks.push(toolUse({ id, name }, objectOf(text) ?? {}));
  }
  return blocks;
}

export function toolUse(
  { id, name }: { readonly id: string; readonly name: string },
  input: Record<string, unknown>,
): ReplyBlock {
  return { type: 'tool_use', id, name, input, caller: { type: 'direct' } };
}
