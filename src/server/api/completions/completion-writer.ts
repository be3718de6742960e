import type { TokenUsage } from '../../../engine/generation.ts';
import type { ApiError } from '../../http/errors.ts';
import { type EventWriter, toEvent } from '../../http/event-stream.ts';
import type { ChoiceEvent } from '../../reply/run-generations.ts';
import { endedWithoutResult, toUsage } from '../openai-chat/completion-parts.ts';
import type { Usage } from '../openai-chat/response-schema.ts';
import type { Completion, CompletionChunk } from './completions-schema.ts';
import type { StartedCompletion } from './start-completion.ts';
import { joinLogprobs, TextChoice } from './text-choice.ts';

type ChunkChoice = CompletionChunk['choices'][number];

/** The choices of a completion as they grow, and their usage. */
class GrowingChoices {
  readonly #started: StartedCompletion;
  readonly #choices: readonly TextChoice[];
  readonly #usages: (TokenUsage | undefined)[];
  readonly #echoes: string[];

  constructor(started: StartedCompletion, echo: boolean) {
    const { completion, prompts, perPrompt } = started;
    this.#started = started;
    this.#echoes = Array.from({ length: completion.numChoices }, (_, index) =>
      echo ? (prompts[Math.floor(index / perPrompt)]?.text ?? '') : '',
    );
    this.#choices = this.#echoes.map(
      (text, index) => new TextChoice(index, completion, text.length),
    );
    this.#usages = this.#echoes.map(() => undefined);
  }

  write({ index, event }: ChoiceEvent): ChunkChoice[] {
    if (event.type === 'finish') this.#usages[index] = event.usage;
    const [first, ...rest] = this.#choices[index]?.write(event) ?? [];
    if (first === undefined) return [];
    const echo = this.#echoes[index] ?? '';
    this.#echoes[index] = '';
    return [{ ...first, text: echo + first.text }, ...rest];
  }

  /** Prompts are counted once each, whatever the number of their choices. @throws ApiError where a choice has no end */
  usage(): Usage {
    const { prompts, perPrompt } = this.#started;
    const known = this.#usages.filter((usage) => usage !== undefined);
    if (known.length < this.#usages.length) throw endedWithoutResult();
    return prompts
      .map((_, index) => toUsage(known.slice(index * perPrompt, (index + 1) * perPrompt)))
      .reduce(addUsage);
  }
}

/** Completions as server-sent events, closed with `[DONE]`; a failure is one `error` object in its place. */
export class CompletionStream implements EventWriter {
  /** A comment: no client takes it for a chunk. */
  readonly ping = ': ping\n\n';
  readonly #started: StartedCompletion;
  readonly #includeUsage: boolean;
  readonly #choices: GrowingChoices;

  constructor(
    started: StartedCompletion,
    { echo, includeUsage }: { readonly echo: boolean; readonly includeUsage: boolean },
  ) {
    this.#started = started;
    this.#includeUsage = includeUsage;
    this.#choices = new GrowingChoices(started, echo);
  }

  write(event: ChoiceEvent): string {
    return this.#choices
      .write(event)
      .map((choice) => this.#toEvent([choice], null))
      .join('');
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
 * Reads the whole event stream into one completion.
 * @throws ApiError when a generation failed or was stopped
 */
export async function collectCompletions(
  started: StartedCompletion,
  echo: boolean,
): Promise<Completion> {
  const { completion, events } = started;
  const choices = new GrowingChoices(started, echo);
  const pieces: ChunkChoice[][] = Array.from({ length: completion.numChoices }, () => []);
  for await (const event of events) pieces[event.index]?.push(...choices.write(event));
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

function addUsage(a: Usage, b: Usage): Usage {
  const [left, right] = [a.prompt_tokens_details, b.prompt_tokens_details];
  return {
    prompt_tokens: a.prompt_tokens + b.prompt_tokens,
    completion_tokens: a.completion_tokens + b.completion_tokens,
    total_tokens: a.total_tokens + b.total_tokens,
    prompt_tokens_details: {
      cached_tokens: left.cached_tokens + right.cached_tokens,
      image_tokens: left.image_tokens + right.image_tokens,
      text_tokens: left.text_tokens + right.text_tokens,
    },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}
