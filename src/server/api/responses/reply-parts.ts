import type { ReplyContext } from '../../reply/reply-context.ts';
import type {
  ChatCompletion,
  ChoiceLogprobs,
  LogprobEntry,
  Usage,
} from '../openai-chat/response-schema.ts';
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

/** A response in which there is nothing yet. */
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

/** How a response ends. */
export interface ResponseEnd {
  readonly output: OutputItem[];
  readonly finishReason: ChatCompletion['choices'][number]['finish_reason'];
  readonly usage: Usage;
  readonly thinking: ResponseObject['thinking'];
}

export function endedResponse(
  context: ResponseContext,
  { output, finishReason, usage, thinking }: ResponseEnd,
): ResponseObject {
  const isComplete = finishReason !== 'length';
  return {
    ...emptyResponse(context),
    status: isComplete ? 'completed' : 'incomplete',
    completed_at: isComplete ? Math.floor(Date.now() / 1000) : null,
    incomplete_details: isComplete ? null : { reason: 'max_output_tokens' },
    output,
    thinking,
    usage: {
      input_tokens: usage.prompt_tokens,
      input_tokens_details: {
        cached_tokens: usage.prompt_tokens_details.cached_tokens,
        cache_write_tokens: 0,
      },
      output_tokens: usage.completion_tokens,
      output_tokens_details: {
        reasoning_tokens: usage.completion_tokens_details.reasoning_tokens,
      },
      total_tokens: usage.total_tokens,
    },
  };
}

/** A whole chat completion as a response. */
export function toResponse(
  { choices, usage }: ChatCompletion,
  context: ResponseContext,
): ResponseObject {
  const [choice] = choices;
  if (choice === undefined) throw new Error('A completion has at least one choice.');
  const { message, finish_reason: finishReason, thinking, logprobs } = choice;
  const ids = new ItemIds(context);
  // What was cut off is the item that came last.
  const status = (isLast: boolean): ItemStatus =>
    finishReason === 'length' && isLast ? 'incomplete' : 'completed';
  const { reasoning_content: thought, content, tool_calls: calls = [] } = message;
  const output: OutputItem[] = [];
  if (thought !== null) {
    const isLast = !content && calls.length === 0;
    output.push(reasoningItem(ids.next('rs'), thought, { status: status(isLast), context }));
  }
  if (content) {
    const part = textPart(content, toLogprobs(logprobs));
    output.push(messageItem(ids.next('msg'), [part], status(calls.length === 0)));
  }
  for (const [index, { id: callId, function: call }] of calls.entries()) {
    output.push({
      type: 'function_call',
      id: ids.next('fc'),
      call_id: callId,
      name: call.name,
      arguments: call.arguments,
      status: status(index === calls.length - 1),
    });
  }
  return endedResponse(context, { output, finishReason, usage, thinking });
}

/** Names the items of one response: what it is, the response, the item's place. */
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

/** Whether the thinking is shown as the summary of its item. */
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

/** Those of the answer. Tokens that the server wrote itself were not drawn and have none. */
export function toLogprobs(logprobs: ChoiceLogprobs | null): ResponseLogprobs {
  return (logprobs?.content ?? []).flatMap(({ top_logprobs: top, ...entry }) =>
    toLogprob(entry).map((drawn) => ({ ...drawn, top_logprobs: top.flatMap(toLogprob) })),
  );
}

function toLogprob({ token, logprob, bytes }: Omit<LogprobEntry, 'top_logprobs'>) {
  return logprob === null ? [] : [{ token, logprob, bytes: bytes ?? [] }];
}
