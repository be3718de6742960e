import type { TokenUsage } from '../../../engine/generation.ts';
import type { Decision } from '../../../engine/thinking/decision.ts';
import type { ApiError } from '../../http/errors.ts';
import { type EventWriter, toEvent } from '../../http/event-stream.ts';
import { logprobsOf } from '../../reply/logprobs.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import {
  endedWithoutResult,
  type ReplyDelta,
  type ReplyEvent,
  type ReplyFinish,
  usageOfChoices,
} from '../../reply/reply-events.ts';
import type { ReplyPart } from '../../reply/text-display.ts';
import { toThinkingDecision, toThinkingReport } from '../thinking-report.ts';
import { toChoiceLogprobs, toUsage } from './render-completion.ts';
import type { ChatCompletionChunk, ChunkChoice, Usage } from './response-schema.ts';

type Delta = ChunkChoice['delta'];

/**
 * Renders a reply as chunks: for each choice the role with the decision, then reasoning and answer, then the finish
 * reason; at the end the usage if the client asked for it, and `[DONE]`. A failure is one `error` object, after which the
 * stream ends without a finish reason and without `[DONE]`.
 */
export class ChunkStream implements EventWriter {
  /** A comment: no client takes it for a chunk. */
  readonly ping = ': ping\n\n';
  readonly #context: ReplyContext;
  readonly #includeUsage: boolean;
  /** Choices whose role is written. */
  readonly #begun = new Set<number>();
  readonly #usages = new Map<number, TokenUsage>();

  constructor(context: ReplyContext, includeUsage: boolean) {
    this.#context = context;
    this.#includeUsage = includeUsage;
  }

  write(event: ReplyEvent): string {
    const { choice } = event;
    switch (event.type) {
      case 'decision':
        return this.#begin(choice, event.decision);
      case 'delta':
        return this.#begin(choice, null) + this.#delta(event);
      case 'finish':
        return this.#begin(choice, null) + this.#finish(event);
    }
  }

  end(): string {
    if (this.#usages.size < this.#context.numChoices) throw endedWithoutResult();
    const done = 'data: [DONE]\n\n';
    if (!this.#includeUsage) return done;
    return this.#toEvent([], toUsage(usageOfChoices([...this.#usages.values()]))) + done;
  }

  fail(failure: ApiError): string {
    return toEvent(failure.toBody());
  }

  #begin(choice: number, decision: Decision | null): string {
    if (this.#begun.has(choice)) return '';
    this.#begun.add(choice);
    return this.#chunk(choice, {
      delta: { role: 'assistant', content: '', refusal: null },
      thinking: toThinkingDecision(decision, this.#context),
    });
  }

  #delta({ choice, parts, token }: ReplyDelta): string {
    const context = this.#context;
    if (context.request.topLogprobs === null || logprobsOf(token, context) === null) {
      return this.#parts(choice, parts);
    }
    // A token without visible text still has its entry.
    const [first, ...rest] = parts;
    const delta = first === undefined ? {} : toDelta(first);
    const logprobs = toChoiceLogprobs([token], context);
    return this.#chunk(choice, { delta, logprobs }) + this.#parts(choice, rest);
  }

  #finish(event: ReplyFinish): string {
    const { choice, parts, reason, stopString, usage } = event;
    this.#usages.set(choice, usage);
    const last = this.#chunk(choice, {
      delta: {},
      finish_reason: reason,
      stop_reason: stopString,
      thinking: toThinkingReport(event, this.#context),
    });
    return this.#parts(choice, parts) + last;
  }

  #parts(choice: number, parts: readonly ReplyPart[]): string {
    return parts.map((part) => this.#chunk(choice, { delta: toDelta(part) })).join('');
  }

  #chunk(index: number, choice: Partial<ChunkChoice> & { readonly delta: Delta }): string {
    return this.#toEvent([{ index, logprobs: null, finish_reason: null, ...choice }], null);
  }

  #toEvent(choices: ChunkChoice[], usage: Usage | null): string {
    const chunk: ChatCompletionChunk = {
      ...this.#context.identity,
      object: 'chat.completion.chunk',
      choices,
      ...(this.#includeUsage && { usage }),
    };
    return toEvent(chunk);
  }
}

function toDelta(part: ReplyPart): Delta {
  switch (part.type) {
    case 'reasoning':
      return { reasoning_content: part.text, reasoning: part.text };
    case 'content':
      return { content: part.text };
    case 'tool_call': {
      const { index, id, name } = part;
      return { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] };
    }
    case 'tool_arguments':
      return { tool_calls: [{ index: part.index, function: { arguments: part.text } }] };
  }
}
