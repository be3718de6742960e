import type { FinishEvent, GenerationEvent, TokenEvent } from '../engine/generation.ts';
import type { Decision } from '../thinking/decision.ts';
import {
  type CompletionContext,
  toFinishReason,
  toThinkingReport,
  toUsage,
} from './completion-parts.ts';
import { ApiError } from './errors.ts';
import { toChoiceLogprobs } from './logprobs.ts';
import type { ChatCompletion } from './response-schema.ts';
import { type ShownText, TextDisplay } from './text-display.ts';

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
  const display = new TextDisplay(context.display, context.tags);
  const shown: ShownText[] = [];
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
  const textOf = (field: ShownText['field']): string =>
    shown.map((part) => (part.field === field ? part.text : '')).join('');
  const reasoning = textOf('reasoning') || null;
  const completion: ChatCompletion = {
    ...context.identity,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: textOf('content'),
          refusal: null,
          reasoning_content: reasoning,
          reasoning,
        },
        logprobs: context.request.topLogprobs === null ? null : toChoiceLogprobs(tokens, context),
        finish_reason: toFinishReason(finish),
        thinking: toThinkingReport(decision, context, finish),
      },
    ],
    usage: toUsage(finish.usage),
  };
  return { completion, decision };
}
