import { objectOf } from '../../reply/tool-calls/whole-call.ts';
import type { ChatCompletion, ThinkingDecision, Usage } from '../openai-chat/response-schema.ts';
import type { AnthropicReply, MessageUsage, ReplyBlock, StopReason } from './reply-schema.ts';

/** Stands where Anthropic has a signature: clients pass it back, and some drop blocks without one. */
export const SIGNATURE = 'unsigned';

/** How much of the thinking is shown: its text, blocks without text, or nothing. */
export type ThinkingDisplay = 'whole' | 'omitted' | 'hidden';

type Choice = ChatCompletion['choices'][number];

/** A whole chat completion as a message. */
export function toMessage(completion: ChatCompletion, display: ThinkingDisplay): AnthropicReply {
  const { id, model, choices, usage } = completion;
  const [choice] = choices;
  if (choice === undefined) throw new Error('A completion has at least one choice.');
  return {
    ...messageHead({ id, model }, choice.thinking),
    content: toBlocks(choice.message, display),
    stop_reason: toStopReason(choice),
    stop_sequence: choice.stop_reason,
    usage: toMessageUsage(usage),
  };
}

/** What is known of a message before there is anything in it. */
export function messageHead(
  { id, model }: Pick<ChatCompletion, 'id' | 'model'>,
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
  finish_reason: reason,
  stop_reason: stop,
}: {
  readonly finish_reason: Choice['finish_reason'];
  readonly stop_reason: string | null;
}): StopReason {
  if (reason === 'tool_calls') return 'tool_use';
  if (reason === 'length') return 'max_tokens';
  return stop === null ? 'end_turn' : 'stop_sequence';
}

interface CountedUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details: Pick<Usage['prompt_tokens_details'], 'cached_tokens'>;
  readonly completion_tokens_details: Usage['completion_tokens_details'];
}

/** Anthropic counts what was found in the cache apart. */
export function toMessageUsage(usage: CountedUsage): MessageUsage {
  const cached = usage.prompt_tokens_details.cached_tokens;
  return {
    input_tokens: usage.prompt_tokens - cached,
    output_tokens: usage.completion_tokens,
    cache_read_input_tokens: cached,
    cache_creation_input_tokens: 0,
    cache_creation: null,
    output_tokens_details: { thinking_tokens: usage.completion_tokens_details.reasoning_tokens },
    server_tool_use: null,
    service_tier: 'standard',
    inference_geo: null,
    speed: null,
  };
}

function toBlocks(message: Choice['message'], display: ThinkingDisplay): ReplyBlock[] {
  const { reasoning_content: thinking, content, tool_calls: calls } = message;
  const blocks: ReplyBlock[] = [];
  if (thinking !== null && display !== 'hidden') {
    const shown = display === 'whole' ? thinking : '';
    blocks.push({ type: 'thinking', thinking: shown, signature: SIGNATURE });
  }
  if (content !== null && content !== '') {
    blocks.push({ type: 'text', text: content, citations: null });
  }
  for (const { id, function: call } of calls ?? []) {
    // A call that was cut off within its input has none.
    blocks.push(toolUse({ id, name: call.name }, objectOf(call.arguments) ?? {}));
  }
  return blocks;
}

export function toolUse(
  { id, name }: { readonly id: string; readonly name: string },
  input: Record<string, unknown>,
): ReplyBlock {
  return { type: 'tool_use', id, name, input, caller: { type: 'direct' } };
}
