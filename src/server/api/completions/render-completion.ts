import type { TokenEvent, TokenUsage } from '../../../engine/generation.ts';
import { bytesOfToken } from '../../../package/token-table.ts';
import type { ApiError } from '../../http/errors.ts';
import { type EventWriter, toEvent } from '../../http/event-stream.ts';
import { logprobsOf } from '../../reply/logprobs.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import {
  endedWithoutResult,
  type ReplyEvent,
  usageOfCalls,
  usageOfChoices,
} from '../../reply/reply-events.ts';
import type { ReplyPart } from '../../reply/text-display.ts';
import { toUsage } from '../openai-chat/render-completion.ts';
import type { Usage } from '../openai-chat/response-schema.ts';
import type { Completion, CompletionChunk, CompletionLogprobs } from './completions-schema.ts';
import type { StartedCompletion } from './start-completion.ts';

type ChunkChoice = CompletionChunk['choices'][number];

/** Renders a completion as server-sent events that end with `[DONE]`; a failure is one `error` object in their place. */
export class CompletionStream implements EventWriter {
  /** A comment: no client takes it for a chunk. */
  readonly ping = ': ping\n\n';
  readonly #started: StartedCompletion;
  readonly #includeUsage: boolean;
  readonly #choices: CompletionChoices;

  constructor(
    started: StartedCompletion,
    { echo, includeUsage }: { readonly echo: boolean; readonly includeUsage: boolean },
  ) {
    this.#started = started;
    this.#includeUsage = includeUsage;
    this.#choices = new CompletionChoices(started, echo);
  }

  write(event: ReplyEvent): string {
    const choice = this.#choices.write(event);
    return choice === null ? '' : this.#toEvent([choice], null);
  }

  end(): string {
    const usage = this.#choices.usage();
    return `${this.#includeUsage ? this.#toEvent([], usage) : ''}data: [DONE]\n\n`;
  }

  fail(failure: ApiError): string {
    return toEvent(failure.toBody());
  }

  #toEvent(choices: ChunkChoice[], usage: Usage | null): string {
    const chunk: CompletionChunk = {
      ...this.#started.completion.identity,
      object: 'text_completion',
      choices,
      ...(this.#includeUsage && { usage }),
    };
    return toEvent(chunk);
  }
}

/**
 * Reads all events of a reply and renders them as one completion.
 * @throws ApiError when a generation failed or was stopped
 */
export async function collectCompletion(
  started: StartedCompletion,
  echo: boolean,
): Promise<Completion> {
  const { completion, events } = started;
  const choices = new CompletionChoices(started, echo);
  const pieces: ChunkChoice[][] = Array.from({ length: completion.numChoices }, () => []);
  for await (const event of events) {
    const piece = choices.write(event);
    if (piece !== null) pieces[event.choice]?.push(piece);
  }
  const usage = choices.usage();
  return {
    ...completion.identity,
    object: 'text_completion',
    choices: pieces.map((written, index) => {
      const end = written.at(-1);
      return {
        index,
        text: written.map(({ text }) => text).join(''),
        logprobs: joinLogprobs(written.map(({ logprobs }) => logprobs)),
        finish_reason: end?.finish_reason ?? 'stop',
        stop_reason: end?.stop_reason ?? null,
      };
    }),
    usage,
  };
}

/** The choices of a completion: pieces of their text, and their usage at the end. */
class CompletionChoices {
  readonly #started: StartedCompletion;
  readonly #usages: (TokenUsage | undefined)[];
  /** Prompts that the first piece of each choice repeats. */
  readonly #echoes: string[];
  readonly #offsets: readonly TextOffset[];

  constructor(started: StartedCompletion, echo: boolean) {
    const { completion, prompts, perPrompt } = started;
    this.#started = started;
    this.#echoes = Array.from({ length: completion.numChoices }, (_, index) =>
      echo ? (prompts[Math.floor(index / perPrompt)]?.text ?? '') : '',
    );
    this.#usages = this.#echoes.map(() => undefined);
    this.#offsets = this.#echoes.map((text) => new TextOffset(completion, text.length));
  }

  /** @returns null for an event that has nothing to show */
  write(event: ReplyEvent): ChunkChoice | null {
    if (event.type === 'decision') return null;
    const { choice: index } = event;
    const text = textOf(event.parts);
    if (event.type === 'delta') {
      const logprobs = this.#logprobs(index, event.token);
      if (text === '' && logprobs === null) return null;
      return { index, text: this.#takeEcho(index) + text, logprobs, finish_reason: null };
    }
    this.#usages[index] = event.usage;
    return {
      index,
      text: this.#takeEcho(index) + text,
      logprobs: null,
      finish_reason: event.reason === 'length' ? 'length' : 'stop',
      stop_reason: event.stopString,
    };
  }

  /** Each prompt counts once, whatever the number of its choices. @throws ApiError when a choice has no end */
  usage(): Usage {
    const { prompts, perPrompt } = this.#started;
    const known = this.#usages.filter((usage) => usage !== undefined);
    if (known.length < this.#usages.length) throw endedWithoutResult();
    const perCall = prompts.map((_, index) =>
      usageOfChoices(known.slice(index * perPrompt, (index + 1) * perPrompt)),
    );
    return toUsage(usageOfCalls(perCall));
  }

  #takeEcho(index: number): string {
    const echo = this.#echoes[index] ?? '';
    this.#echoes[index] = '';
    return echo;
  }

  #logprobs(index: number, token: TokenEvent): CompletionLogprobs | null {
    const { topLogprobs } = this.#started.completion.request;
    if (topLogprobs === null) return null;
    const entry = logprobsOf(token, this.#started.completion);
    const entries = entry === null ? [] : [entry];
    const offset = this.#offsets[index]?.next(token) ?? 0;
    return {
      tokens: entries.map(({ token: text }) => text),
      token_logprobs: entries.map(({ logprob }) => logprob),
      top_logprobs:
        topLogprobs === 0
          ? null
          : entries.map(({ top }) =>
              Object.fromEntries(top.map((each) => [each.token, each.logprob ?? 0])),
            ),
      text_offset: entries.map(() => offset),
    };
  }
}

/** Counts the characters before each token of one choice. */
class TextOffset {
  readonly #tokens: ReplyContext['tokens'];
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #offset: number;

  /** @param offset characters before the first token, when the prompt precedes the text */
  constructor({ tokens }: Pick<ReplyContext, 'tokens'>, offset: number) {
    this.#tokens = tokens;
    this.#offset = offset;
  }

  next({ tokenId }: TokenEvent): number {
    const offset = this.#offset;
    const bytes = bytesOfToken(this.#tokens.tokenTable, tokenId);
    this.#offset += this.#decoder.decode(bytes, { stream: true }).length;
    return offset;
  }
}

function joinLogprobs(pieces: readonly (CompletionLogprobs | null)[]): CompletionLogprobs | null {
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

/** A bare prompt has no tools and no thinking: all parts are text. */
function textOf(parts: readonly ReplyPart[]): string {
  return parts.map((part) => (part.type === 'content' ? part.text : '')).join('');
}
