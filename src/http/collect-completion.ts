import type { FinishEvent, GenerationEvent, TokenEvent } from '../engine/generation.ts';
import type { Decision } from '../thinking/decision.ts';
import type { TextPiece } from '../thinking/section-parser.ts';
import {
  type CompletionContext,
  toFinishReason,
  toThinkingReport,
  toUsage,
} from './completion-parts.ts';
import { ApiError } from './errors.ts';
import { toLogprobEntry } from './logprobs.ts';
import type { ChatCompletion, ChoiceLogprobs } from './response-schema.ts';

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
  const text = { reasoning: '', answer: '' };
  const tokens: TokenEvent[] = [];
  let decision: Decision | null = null;
  let finish: FinishEvent | undefined;
  for await (const event of events) {
    if (event.type === 'decision') decision = event;
    else append(text, event.pieces);
    if (event.type === 'token') tokens.push(event);
    if (event.type === 'finish') finish = event;
  }
  if (finish === undefined)
    throw new ApiError('engine_error', 'The engine ended without a result.');
  const reasoning = text.reasoning === '' ? null : text.reasoning;
  const completion: ChatCompletion = {
    ...context.identity,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text.answer,
          refusal: null,
          reasoning_content: reasoning,
          reasoning,
        },
        logprobs: context.request.topLogprobs === null ? null : toLogprobs(tokens, context),
        finish_reason: toFinishReason(finish),
        thinking: toThinkingReport(decision, context.request, finish),
      },
    ],
    usage: toUsage(finish.usage),
  };
  return { completion, decision };
}

function append(text: { reasoning: string; answer: string }, pieces: readonly TextPiece[]): void {
  for (const piece of pieces) {
    if (piece.section !== 'frame') text[piece.section] += piece.text;
  }
}

function toLogprobs(tokens: readonly TokenEvent[], context: CompletionContext): ChoiceLogprobs {
  const entriesOf = (side: TokenEvent['side']): ChoiceLogprobs['content'] =>
    tokens
      .filter((token) => token.side === side)
      .map((token) => toLogprobEntry(token, context.tokens));
  return { content: entriesOf('answer'), refusal: null, reasoning_content: entriesOf('reasoning') };
}
