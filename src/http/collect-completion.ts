import type { FinishEvent, GenerationEvent, TokenEvent } from '../engine/generation.ts';
import type { Decision } from '../thinking/decision.ts';
import {
  type CompletionContext,
  displayOptions,
  toFinishReason,
  toThinkingReport,
  toUsage,
} from './completion-parts.ts';
import { ApiError } from './errors.ts';
import { toChoiceLogprobs } from './logprobs.ts';
import { joinParts, type Reply, type ReplyPart } from './reply-parts.ts';
import type { ChatCompletion } from './response-schema.ts';
import { TextDisplay } from './text-display.ts';

type Message = ChatCompletion['choices'][number]['message'];

export interface CollectedCompletion {
  readonly completion: ChatCompletion;
  readonly decision: Decision | null;
}

/**
 * Reads the whole event stream into one completion.
 * @throws ApiError when the generation failed or was stopped
 */
export async function collectCompletion(
  events: AsyncIterable<GenerationEvent>,
  context: CompletionContext,
): Promise<CollectedCompletion> {
  const display = new TextDisplay(displayOptions(context));
  const shown: ReplyPart[] = [];
  const tokens: TokenEvent[] = [];
  let decision: Decision | null = null;
  let finish: FinishEvent | undefined;
  for await (const event of events) {
    if (event.type === 'decision') decision = event;
    else shown.push(...display.show(event.pieces));
    if (event.type === 'token') tokens.push(event);
    if (event.type === 'finish') finish = event;
  }
  if (finish === undefined)
    throw new ApiError('engine_error', 'The engine ended without a result.');
  shown.push(...display.end());
  const reply = joinParts(shown);
  const completion: ChatCompletion = {
    ...context.identity,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: toMessage(reply),
        logprobs: context.request.topLogprobs === null ? null : toChoiceLogprobs(tokens, context),
        finish_reason: toFinishReason(finish, reply.toolCalls.length > 0),
        thinking: toThinkingReport(decision, context, finish),
      },
    ],
    usage: toUsage(finish.usage),
  };
  return { completion, decision };
}

/** A reply that is nothing but calls has no content. */
function toMessage({ reasoning, content, toolCalls }: Reply): Message {
  const thinking = reasoning || null;
  return {
    role: 'assistant',
    content: content === '' && toolCalls.length > 0 ? null : content,
    refusal: null,
    reasoning_content: thinking,
    reasoning: thinking,
    ...(toolCalls.length > 0 && {
      tool_calls: toolCalls.map(({ id, name, arguments: text }) => ({
        id,
        type: 'function' as const,
        function: { name, arguments: text },
      })),
    }),
  };
}
