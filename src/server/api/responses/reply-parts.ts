import type { TokenEvent } from '../../../engine/generation.ts';
import { logprobsOf, type TokenChance } from '../../reply/logprobs.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import type { ReplyFinish } from '../../reply/reply-events.ts';
import type { WholeReply } from '../../reply/whole-reply.ts';
import { toThinkingReport } from '../thinking-report.ts';
import type {
  ItemStatus,
  OutputItem,
  OutputText,
  ResponseLogprobs,
  ResponseObject,
} from './reply-schema.ts';
import type { ResponsesRequest } from './responses-schema.ts';

export interface ResponseContext {
  readonly asked: ResponsesRequest;
  readonly completion: ReplyContext;
}

/** A response without items. */
export function emptyResponse({ asked, completion }: ResponseContext): ResponseObject {
  const { identity, request } = completion;
  return {
    id: identity.id,
    object: 'response',
    created_at: identity.created,
    completed_at: null,
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    model: identity.model,
    output: [],
    usage: null,
    thinking: null,
    instructions: asked.instructions ?? null,
    max_output_tokens: asked.max_output_tokens ?? null,
    temperature: request.sampling.temperature,
    top_p: request.sampling.topP,
    top_logprobs: asked.top_logprobs ?? 0,
    reasoning: {
      effort: asked.reasoning?.effort ?? null,
      summary: asked.reasoning?.summary ?? null,
    },
    text: { format: asked.text?.format ?? { type: 'text' } },
    tools: [...(asked.tools ?? [])],
    tool_choice: asked.tool_choice ?? 'auto',
    parallel_tool_calls: asked.parallel_tool_calls ?? true,
    truncation: 'disabled',
    metadata: asked.metadata ?? {},
    store: false,
    background: false,
    previous_response_id: null,
    service_tier: 'default',
  };
}

/** A response that ended, with its items. */
export function endedResponse(
  context: ResponseContext,
  output: OutputItem[],
  finish: ReplyFinish,
): ResponseObject {
  const isComplete = finish.reason !== 'length';
  const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = finish.usage;
  return {
    ...emptyResponse(context),
    status: isComplete ? 'completed' : 'incomplete',
    completed_at: isComplete ? Math.floor(Date.now() / 1000) : null,
    incomplete_details: isComplete ? null : { reason: 'max_output_tokens' },
    output,
    thinking: toThinkingReport(finish, context.completion),
    usage: {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
      output_tokens: completionTokens,
      output_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: promptTokens + completionTokens,
    },
  };
}

/** Renders a whole reply as a response. */
export function toResponse(reply: WholeReply, context: ResponseContext): ResponseObject {
  const { reasoning, content, toolCalls, tokens, finish } = reply;
  const ids = new ItemIds(context);
  // When the reply was cut off, its last item is incomplete.
  const status = (isLast: boolean): ItemStatus =>
    finish.reason === 'length' && isLast ? 'incomplete' : 'completed';
  const output: OutputItem[] = [];
  if (reasoning !== '') {
    const isLast = content === '' && toolCalls.length === 0;
    output.push(reasoningItem(ids.next('rs'), reasoning, { status: status(isLast), context }));
  }
  if (content !== '') {
    const logprobs = tokens.flatMap((token) => toLogprobs(token, context) ?? []);
    const part = textPart(content, logprobs);
    output.push(messageItem(ids.next('msg'), [part], status(toolCalls.length === 0)));
  }
  for (const [index, { id: callId, name, arguments: text }] of toolCalls.entries()) {
    output.push({
      type: 'function_call',
      id: ids.next('fc'),
      call_id: callId,
      name,
      arguments: text,
      status: status(index === toolCalls.length - 1),
    });
  }
  return endedResponse(context, output, finish);
}

/** Ids of the items of one response: kind, response, position. */
export class ItemIds {
  readonly #stem: string;
  #count = 0;

  constructor({ completion }: Pick<ResponseContext, 'completion'>) {
    this.#stem = completion.identity.id.replace(/^[^-]*-/, '');
  }

  next(kind: 'rs' | 'msg' | 'fc'): string {
    const id = `${kind}_${this.#stem}_${this.#count}`;
    this.#count += 1;
    return id;
  }
}

/** Whether the client asked for the thinking as a summary. */
export function showsSummary({ asked }: Pick<ResponseContext, 'asked'>): boolean {
  return (asked.reasoning?.summary ?? null) !== null;
}

export function reasoningItem(
  id: string,
  text: string | null,
  { status, context }: { readonly status: ItemStatus; readonly context: ResponseContext },
): OutputItem {
  const asSummary = showsSummary(context);
  return {
    type: 'reasoning',
    id,
    summary: asSummary && text !== null ? [{ type: 'summary_text', text }] : [],
    content: !asSummary && text !== null ? [{ type: 'reasoning_text', text }] : [],
    encrypted_content: null,
    status,
  };
}

export function messageItem(id: string, content: OutputText[], status: ItemStatus): OutputItem {
  return { type: 'message', id, role: 'assistant', content, status };
}

export function textPart(text: string, logprobs: ResponseLogprobs): OutputText {
  return { type: 'output_text', text, annotations: [], logprobs };
}

/**
 * The entry of a token of the answer; a token that the server wrote was not drawn and has none.
 * @returns null for a token of the thinking
 */
export function toLogprobs(
  token: TokenEvent,
  { completion }: Pick<ResponseContext, 'completion'>,
): ResponseLogprobs | null {
  const entry = logprobsOf(token, completion);
  if (entry?.field !== 'content') return null;
  const { top } = entry;
  return toLogprob(entry).map((drawn) => ({ ...drawn, top_logprobs: top.flatMap(toLogprob) }));
}

function toLogprob({ token, logprob, bytes }: TokenChance) {
  return logprob === null ? [] : [{ token, logprob, bytes: bytes ?? [] }];
}
