import type {
  FinishEvent,
  GenerationEvent,
  TokenEvent,
  TokenUsage,
} from '../../../engine/generation.ts';
import type { Decision } from '../../../engine/thinking/decision.ts';
import type { ApiError } from '../../http/errors.ts';
import { type EventWriter, toEvent } from '../../http/event-stream.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import type { ReplyPart } from '../../reply/reply-parts.ts';
import type { ChoiceEvent } from '../../reply/run-generations.ts';
import { TextDisplay } from '../../reply/text-display.ts';
import {
  displayOptions,
  endedWithoutResult,
  toFinishReason,
  toThinkingDecision,
  toThinkingReport,
  toUsage,
} from './completion-parts.ts';
import { showsLogprob, toChoiceLogprobs } from './logprobs.ts';
import type { ChatCompletionChunk, ChunkChoice, Usage } from './response-schema.ts';

type Delta = ChunkChoice['delta'];

/**
 * Chunks as server-sent events: those of the choices as they come, the usage where it was asked for, `[DONE]`. A failure
 * is one `error` object, after which the stream ends without a finish reason and without [DONE].
 */
export class ChunkStream implements EventWriter {
  /** A comment: no client takes it for a chunk. */
  readonly ping = ': ping\n\n';
  readonly #context: ReplyContext;
  readonly #includeUsage: boolean;
  readonly #choices = new Map<number, ChoiceChunks>();
  readonly #usages = new Map<number, TokenUsage>();

  constructor(context: ReplyContext, includeUsage: boolean) {
    this.#context = context;
    this.#includeUsage = includeUsage;
  }

  write({ index, event }: ChoiceEvent): string {
    const choice = this.#choices.get(index) ?? new ChoiceChunks(index, this.#context);
    this.#choices.set(index, choice);
    if (event.type === 'finish') this.#usages.set(index, event.usage);
    return choice
      .write(event)
      .map((chunk) => this.#toEvent([chunk], null))
      .join('');
  }

  end(): string {
    if (this.#usages.size < this.#context.numChoices) throw endedWithoutResult();
    const usage = this.#includeUsage ? this.#toEvent([], toUsage([...this.#usages.values()])) : '';
    return `${usage}data: [DONE]\n\n`;
  }

  fail(failure: ApiError): string {
    return toEvent(failure.toBody());
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

/**
 * Turns the events of one choice into its part of chunks, one event at a time: the role with the decision first, then
 * reasoning and answer as they come, then the finish reason.
 */
export class ChoiceChunks {
  readonly #index: number;
  readonly #context: ReplyContext;
  readonly #display: TextDisplay;
  #decision: Decision | null = null;
  #roleSent = false;
  #hasToolCalls = false;

  constructor(index: number, context: ReplyContext) {
    this.#index = index;
    this.#context = context;
    this.#display = new TextDisplay(displayOptions(context));
  }

  /** @throws ApiError when the event says that the generation failed or was stopped */
  write(event: GenerationEvent): ChunkChoice[] {
    switch (event.type) {
      case 'decision':
        this.#decision = event;
        return [this.#first()];
      case 'token':
        return [...this.#roleChunk(), ...this.#token(event)];
      case 'finish':
        return [...this.#roleChunk(), ...this.#finish(event)];
    }
  }

  #roleChunk(): ChunkChoice[] {
    return this.#roleSent ? [] : [this.#first()];
  }

  #first(): ChunkChoice {
    this.#roleSent = true;
    return this.#chunk({
      delta: { role: 'assistant', content: '', refusal: null },
      thinking: toThinkingDecision(this.#decision, this.#context),
    });
  }

  #token(event: TokenEvent): ChunkChoice[] {
    const deltas = this.#noted(this.#display.show(event.pieces)).map(toDelta);
    const { request, display, tokens } = this.#context;
    if (request.topLogprobs === null || !showsLogprob(event, display)) {
      return deltas.map((delta) => this.#chunk({ delta }));
    }
    // A token whose text is held back, or is frame, still has its entry.
    const [first = {}, ...rest] = deltas;
    const logprobs = toChoiceLogprobs([event], { tokens, display });
    return [
      this.#chunk({ delta: first, logprobs }),
      ...rest.map((delta) => this.#chunk({ delta })),
    ];
  }

  #finish(event: FinishEvent): ChunkChoice[] {
    const shown = this.#noted([...this.#display.show(event.pieces), ...this.#display.end()]);
    const finishReason = toFinishReason(event, this.#hasToolCalls);
    const chunks = shown.map((part) => this.#chunk({ delta: toDelta(part) }));
    chunks.push(
      this.#chunk({
        delta: {},
        finish_reason: finishReason,
        stop_reason: event.stopString,
        thinking: toThinkingReport(this.#decision, this.#context, event),
      }),
    );
    return chunks;
  }

  #noted(parts: ReplyPart[]): ReplyPart[] {
    this.#hasToolCalls ||= parts.some(({ type }) => type === 'tool_call');
    return parts;
  }

  #chunk(choice: Partial<ChunkChoice> & { delta: Delta }): ChunkChoice {
    return { index: this.#index, logprobs: null, finish_reason: null, ...choice };
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
