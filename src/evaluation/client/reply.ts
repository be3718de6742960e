import { z } from 'zod';

const logprob = z
  .object({
    token: z.string(),
    logprob: z.number().nullable(),
    bytes: z.array(z.number()).nullish(),
  })
  // All parts of a split character read as U+FFFD, so their bytes tell them apart.
  .transform(({ token, logprob, bytes }) => ({
    token: bytes && token.includes('\ufffd') ? `bytes ${bytes.join(' ')}` : token,
    logprob,
  }));
const entry = z
  .looseObject({ top_logprobs: z.array(logprob).default([]) })
  .transform(({ top_logprobs, ...rest }) => ({ ...logprob.parse(rest), top_logprobs }));
const entries = z.array(entry).nullish();

const thinking = z
  .object({
    mode: z.string().nullish(),
    source: z.string().nullish(),
    p_think: z.number().nullish(),
    ended_by: z.string().nullish(),
  })
  .nullish()
  .catch(null);

const text = z.string().nullish();

const choice = z.object({
  delta: z.object({ content: text, reasoning_content: text, reasoning: text }).optional(),
  message: z.object({ content: text, reasoning_content: text, reasoning: text }).optional(),
  finish_reason: text,
  thinking,
  logprobs: z.object({ content: entries, reasoning_content: entries }).nullish(),
});

/** A chunk of a stream, or a whole completion: the fields that an evaluation reads. */
export const chunkSchema = z.object({
  error: z.object({ message: z.string() }).optional(),
  choices: z.array(choice).default([]),
  usage: z
    .object({
      prompt_tokens: z.number().nullish(),
      completion_tokens: z.number().nullish(),
      completion_tokens_details: z.object({ reasoning_tokens: z.number().nullish() }).nullish(),
    })
    .nullish(),
});

export type Chunk = z.output<typeof chunkSchema>;
export type LogprobEntry = z.output<typeof entry>;

/** The reply to one question. */
export interface Reply {
  readonly answer: string;
  readonly reasoning: string | null;
  readonly finishReason: string | null;
  /** null when the server does not report it. */
  readonly thinking: ReplyThinking | null;
  readonly tokens: ReplyTokens;
  /** Milliseconds from the request to the first text and to the end. */
  readonly ms: { readonly first: number | null; readonly total: number };
  /** One entry per generated token, in order; empty unless requested. */
  readonly logprobs: readonly LogprobEntry[];
}

export interface ReplyThinking {
  readonly mode: string | null;
  readonly source: string | null;
  readonly pThink: number | null;
  readonly endedBy: string | null;
}

/** null when the server does not report the count. */
export interface ReplyTokens {
  readonly prompt: number | null;
  readonly completion: number | null;
  readonly reasoning: number | null;
}

/** Assembles the chunks of one reply. */
export class ReplyBuilder {
  readonly #start: number;
  #answer = '';
  #reasoning = '';
  #finishReason: string | null = null;
  #thinking: z.output<typeof thinking>;
  #usage: Chunk['usage'];
  #firstAt: number | null = null;
  readonly #reasoningLogprobs: LogprobEntry[] = [];
  readonly #answerLogprobs: LogprobEntry[] = [];

  /** @param start time of the request, from performance.now() */
  constructor(start: number) {
    this.#start = start;
  }

  add(chunk: Chunk): void {
    this.#usage = chunk.usage ?? this.#usage;
    for (const { delta, message, finish_reason, thinking: told, logprobs } of chunk.choices) {
      const said = delta ?? message;
      const reasoning = said?.reasoning_content ?? said?.reasoning ?? '';
      const answer = said?.content ?? '';
      if (reasoning !== '' || answer !== '') this.#firstAt ??= performance.now();
      this.#reasoning += reasoning;
      this.#answer += answer;
      this.#finishReason = finish_reason ?? this.#finishReason;
      this.#thinking = told ?? this.#thinking;
      this.#reasoningLogprobs.push(...(logprobs?.reasoning_content ?? []));
      this.#answerLogprobs.push(...(logprobs?.content ?? []));
    }
  }

  /** Whether a finish reason has arrived. */
  get isFinished(): boolean {
    return this.#finishReason !== null;
  }

  build(): Reply {
    const told = this.#thinking;
    const usage = this.#usage;
    const first = this.#firstAt;
    return {
      answer: this.#answer,
      reasoning: this.#reasoning === '' ? null : this.#reasoning,
      finishReason: this.#finishReason,
      thinking: told
        ? {
            mode: told.mode ?? null,
            source: told.source ?? null,
            pThink: told.p_think ?? null,
            endedBy: told.ended_by ?? null,
          }
        : null,
      tokens: {
        prompt: usage?.prompt_tokens ?? null,
        completion: usage?.completion_tokens ?? null,
        reasoning: usage?.completion_tokens_details?.reasoning_tokens ?? null,
      },
      ms: {
        first: first === null ? null : first - this.#start,
        total: performance.now() - this.#start,
      },
      logprobs: [...this.#reasoningLogprobs, ...this.#answerLogprobs],
    };
  }
}
