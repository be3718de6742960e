import type { FinishEvent, GenerationEvent, TokenEvent } from '../engine/generation.ts';
import type { Decision } from '../thinking/decision.ts';
import {
  type CompletionContext,
  displayOptions,
  toFinishReason,
  toThinkingDecision,
  toThinkingReport,
  toUsage,
} from './completion-parts.ts';
import { showsLogprob, toChoiceLogprobs } from './logprobs.ts';
import type { ReplyPart } from './reply-parts.ts';
import type { ChatCompletionChunk, ChunkChoice } from './response-schema.ts';
import { TextDisplay } from './text-display.ts';

type Delta = ChunkChoice['delta'];

/**
 * Turns events into chunks, one event at a time: the role with the decision first, then reasoning and answer as they
 * come, one chunk with the finish reason, and the usage where it was asked for.
 */
export class ChunkWriter {
  readonly #context: CompletionContext;
  readonly #includeUsage: boolean;
  readonly #display: TextDisplay;
  #decision: Decision | null = null;
  #roleSent = false;
  #hasToolCalls = false;

  constructor(context: CompletionContext, includeUsage: boolean) {
    this.#context = context;
    this.#includeUsage = includeUsage;
    this.#display = new TextDisplay(displayOptions(context));
  }

  /** @throws ApiError when the event says that the generation failed or was stopped */
  write(event: GenerationEvent): ChatCompletionChunk[] {
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

  #roleChunk(): ChatCompletionChunk[] {
    return this.#roleSent ? [] : [this.#first()];
  }

  #first(): ChatCompletionChunk {
    this.#roleSent = true;
    return this.#chunk({
      delta: { role: 'assistant', content: '', refusal: null },
      thinking: toThinkingDecision(this.#decision, this.#context),
    });
  }

  #token(event: TokenEvent): ChatCompletionChunk[] {
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

  #finish(event: FinishEvent): ChatCompletionChunk[] {
    const shown = this.#noted([...this.#display.show(event.pieces), ...this.#display.end()]);
    const finishReason = toFinishReason(event, this.#hasToolCalls);
    const chunks = shown.map((part) => this.#chunk({ delta: toDelta(part) }));
    chunks.push(
      this.#chunk({
        delta: {},
        finish_reason: finishReason,
        thinking: toThinkingReport(this.#decision, this.#context, event),
      }),
    );
    if (this.#includeUsage) {
      chunks.push({ ...this.#head(), choices: [], usage: toUsage(event.usage) });
    }
    return chunks;
  }

  #noted(parts: ReplyPart[]): ReplyPart[] {
    this.#hasToolCalls ||= parts.some(({ type }) => type === 'tool_call');
    return parts;
  }

  #chunk(choice: Partial<ChunkChoice> & { delta: Delta }): ChatCompletionChunk {
    return {
      ...this.#head(),
      choices: [{ index: 0, logprobs: null, finish_reason: null, ...choice }],
      ...(this.#includeUsage && { usage: null }),
    };
  }

  #head(): Pick<ChatCompletionChunk, 'id' | 'object' | 'created' | 'model'> {
    return { ...this.#context.identity, object: 'chat.completion.chunk' };
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
