import type { FinishEvent, GenerationEvent, TokenEvent } from '../../../engine/generation.ts';
import { bytesOfToken } from '../../../package/token-table.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import { toFinishReason } from '../openai-chat/completion-parts.ts';
import { toChoiceLogprobs } from '../openai-chat/logprobs.ts';
import type { CompletionChunk, CompletionLogprobs } from './completions-schema.ts';

type ChunkChoice = CompletionChunk['choices'][number];

/** Turns the events of one choice into pieces of its text, all of it: tags and control strings are text here. */
export class TextChoice {
  readonly #index: number;
  readonly #context: ReplyContext;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #offset: number;

  /** @param offset characters before the first token's, where the prompt is put before the text */
  constructor(index: number, context: ReplyContext, offset: number) {
    this.#index = index;
    this.#context = context;
    this.#offset = offset;
  }

  /** @throws ApiError when the event says that the generation failed or was stopped */
  write(event: GenerationEvent): ChunkChoice[] {
    switch (event.type) {
      case 'decision':
        return [];
      case 'token':
        return this.#token(event);
      case 'finish':
        return [this.#finish(event)];
    }
  }

  #token(event: TokenEvent): ChunkChoice[] {
    const text = textOf(event);
    const logprobs = this.#logprobs(event);
    return text === '' && logprobs === null ? [] : [this.#piece(text, logprobs)];
  }

  #finish(event: FinishEvent): ChunkChoice {
    // Without tools there are no calls.
    const reason = toFinishReason(event, false) === 'length' ? 'length' : 'stop';
    return {
      ...this.#piece(textOf(event), null),
      finish_reason: reason,
      stop_reason: event.stopString,
    };
  }

  #piece(text: string, logprobs: CompletionLogprobs | null): ChunkChoice {
    return { index: this.#index, text, logprobs, finish_reason: null };
  }

  #logprobs(event: TokenEvent): CompletionLogprobs | null {
    const { request, tokens } = this.#context;
    if (request.topLogprobs === null) return null;
    const { content } = toChoiceLogprobs([event], { tokens, display: 'inline' });
    const offset = this.#offset;
    const bytes = bytesOfToken(tokens.tokenTable, event.tokenId);
    this.#offset += this.#decoder.decode(bytes, { stream: true }).length;
    return {
      tokens: content.map(({ token }) => token),
      token_logprobs: content.map(({ logprob }) => logprob),
      top_logprobs:
        request.topLogprobs === 0
          ? null
          : content.map(({ top_logprobs: top }) =>
              Object.fromEntries(top.map(({ token, logprob }) => [token, logprob ?? 0])),
            ),
      text_offset: content.map(() => offset),
    };
  }
}

/** Puts the log-probabilities of several pieces together. */
export function joinLogprobs(
  pieces: readonly (CompletionLogprobs | null)[],
): CompletionLogprobs | null {
  const known = pieces.filter((piece) => piece !== null);
  const [first] = known;
  if (first === undefined) return null;
  return {
    tokens: known.flatMap(({ tokens }) => tokens),
    token_logprobs: known.flatMap(({ token_logprobs: logprobs }) => logprobs),
    top_logprobs:
      first.top_logprobs === null ? null : known.flatMap(({ top_logprobs: top }) => top ?? []),
    text_offset: known.flatMap(({ text_offset: offset }) => offset),
  };
}

function textOf({ pieces }: TokenEvent | FinishEvent): string {
  return pieces.map(({ text }) => text).join('');
}
