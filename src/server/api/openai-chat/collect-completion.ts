import type { FinishEvent, GenerationEvent, TokenEvent } from '../../../engine/generation.ts';
import type { Decision } from '../../../engine/thinking/decision.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import { joinParts, type Reply, type ReplyPart } from '../../reply/reply-parts.ts';
import type { ChoiceEvent } from '../../reply/run-generations.ts';
import { TextDisplay } from '../../reply/text-display.ts';
import {
  displayOptions,
  endedWithoutResult,
  toFinishReason,
  toThinkingReport,
  toUsage,
} from './completion-parts.ts';
import { toChoiceLogprobs } from './logprobs.ts';
import type { ChatCompletion } from './response-schema.ts';

type Choice = ChatCompletion['choices'][number];

export interface CollectedCompletion {
  readonly completion: ChatCompletion;
  readonly decision: Decision | null;
}

/**
 * Reads the whole event stream into one completion.
 * @throws ApiError when the generation failed or was stopped
 */
export async function collectCompletion(
  events: AsyncIterable<ChoiceEvent>,
  context: ReplyContext,
): Promise<CollectedCompletion> {
  const { numChoices } = context;
  const collectors = Array.from({ length: numChoices }, () => new ChoiceCollector(context));
  for await (const { index, event } of events) collectors[index]?.add(event);
  const choices = collectors.map((collector, index) => ({ index, ...collector.finish() }));
  const usage = toUsage(collectors.map((collector) => collector.end.usage));
  const { identity } = context;
  return {
    completion: { ...identity, object: 'chat.completion', choices, usage },
    decision: collectors[0]?.decision ?? null,
  };
}

/** Gathers one choice. */
export class ChoiceCollector {
  readonly #context: ReplyContext;
  readonly #display: TextDisplay;
  readonly #shown: ReplyPart[] = [];
  readonly #tokens: TokenEvent[] = [];
  #end: FinishEvent | undefined;
  decision: Decision | null = null;

  constructor(context: ReplyContext) {
    this.#context = context;
    this.#display = new TextDisplay(displayOptions(context));
  }

  /** Thinking that the reply was begun with. */
  begin(reasoning: string): void {
    this.#shown.push(...this.#display.show([{ section: 'reasoning', text: reasoning }]));
  }

  add(event: GenerationEvent): void {
    if (event.type === 'decision') this.decision = event;
    else this.#shown.push(...this.#display.show(event.pieces));
    if (event.type === 'token') this.#tokens.push(event);
    if (event.type !== 'finish') return;
    // Told at once: the other choices need not be waited for.
    toFinishReason(event, false);
    this.#end = event;
  }

  /** @throws ApiError when it has none */
  get end(): FinishEvent {
    if (this.#end !== undefined) return this.#end;
    throw endedWithoutResult();
  }

  finish(): Omit<Choice, 'index'> {
    const { end, decision } = this;
    const context = this.#context;
    const reply = joinParts([...this.#shown, ...this.#display.end()]);
    return {
      message: toMessage(reply),
      logprobs:
        context.request.topLogprobs === null ? null : toChoiceLogprobs(this.#tokens, context),
      finish_reason: toFinishReason(end, reply.toolCalls.length > 0),
      stop_reason: end.stopString,
      thinking: toThinkingReport(decision, context, end),
    };
  }
}

/** A reply that is nothing but calls has no content. */
function toMessage({ reasoning, content, toolCalls }: Reply): Choice['message'] {
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
