import { z } from 'zod';
import { AnswerPrinter, type Screen } from './answer-printer.ts';
import { imageUrl } from './image.ts';
import { readEvents } from './read-events.ts';

const PROBE_TIMEOUT_MS = 3_000;

/** The fields of a chunk that are shown; other fields are ignored. */
const chunkSchema = z.object({
  error: z.object({ message: z.string() }).optional(),
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish(), reasoning_content: z.string().nullish() }),
        thinking: z
          .object({
            mode: z.string().nullable(),
            p_think: z.number().nullable(),
            ended_by: z.string().nullish(),
          })
          .optional(),
      }),
    )
    .default([]),
  usage: z
    .object({
      completion_tokens: z.number(),
      completion_tokens_details: z.object({ reasoning_tokens: z.number() }).optional(),
    })
    .nullish(),
});

const modelListSchema = z.object({ data: z.array(z.object({ id: z.string() })).min(1) });
const errorSchema = z.object({ error: z.object({ message: z.string() }) });

type Chunk = z.output<typeof chunkSchema>;

export interface AskOptions {
  readonly question: string;
  /** File or http(s) URL. */
  readonly image?: string | undefined;
  /** Base URL of the server, without a slash at the end. */
  readonly url: string;
  readonly mode?: 'auto' | 'think' | 'fast' | undefined;
  /** Sent as a bearer token. */
  readonly apiKey?: string | undefined;
  readonly screen: Screen;
  /** Starts a server where none listens at `url`; without it, that is an error. */
  readonly startServer?: (() => Promise<StartedServer>) | undefined;
  readonly signal?: AbortSignal | null;
}

export interface StartedServer {
  readonly url: string;
  close(): Promise<unknown>;
}

/**
 * Asks one question and shows the answer while it is generated.
 * @throws Error with one sentence when no server listens, it answers with an error, or the answer breaks off
 */
export async function ask(options: AskOptions): Promise<void> {
  const image = options.image === undefined ? undefined : await imageUrl(options.image);
  const started = (await isListening(options.url)) ? undefined : await start(options);
  try {
    const url = started?.url ?? options.url;
    await showAnswer(await request(url, image, options), options.screen);
  } finally {
    await started?.close();
  }
}

async function isListening(url: string): Promise<boolean> {
  try {
    const reply = await fetch(`${url}/health`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await reply.body?.cancel();
    return true;
  } catch {
    return false;
  }
}

function start({ url, startServer }: AskOptions): Promise<StartedServer> {
  if (startServer === undefined) throw new Error(`No server answers at ${url}.`);
  return startServer();
}

async function request(
  url: string,
  image: string | undefined,
  { question, mode, apiKey, signal = null }: AskOptions,
): Promise<Response> {
  const key: Record<string, string> =
    apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const models = await fetch(`${url}/v1/models`, { headers: key, signal });
  await assertOk(models, url);
  const [model] = modelListSchema.parse(await models.json()).data;
  const text = { type: 'text', text: question };
  const content =
    image === undefined ? question : [{ type: 'image_url', image_url: { url: image } }, text];
  const reply = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...key, 'content-type': 'application/json' },
    signal,
    body: JSON.stringify({
      model: model?.id,
      messages: [{ role: 'user', content }],
      stream: true,
      stream_options: { include_usage: true },
      thinking_mode: mode,
    }),
  });
  await assertOk(reply, url);
  return reply;
}

async function assertOk(reply: Response, url: string): Promise<void> {
  if (reply.ok) return;
  const parsed = errorSchema.safeParse(await reply.json().catch(() => undefined));
  const message = parsed.success ? parsed.data.error.message : `status ${reply.status}`;
  throw new Error(`The server at ${url} refused: ${message}`);
}

async function showAnswer(reply: Response, screen: Screen): Promise<void> {
  if (reply.body === null) throw new Error('The server sent no answer.');
  const printer = new AnswerPrinter(screen);
  const summary = new SummaryBuilder();
  for await (const data of readEvents(reply.body)) {
    if (data === '[DONE]') {
      printer.summary(summary.build());
      return;
    }
    const chunk = chunkSchema.parse(JSON.parse(data));
    if (chunk.error) throw new Error(`The answer broke off: ${chunk.error.message}`);
    for (const { delta } of chunk.choices) {
      if (delta.reasoning_content) printer.reasoning(delta.reasoning_content);
      if (delta.content) printer.answer(delta.content);
    }
    summary.add(chunk);
  }
  throw new Error('The answer broke off: the connection was closed.');
}

class SummaryBuilder {
  #thinking: NonNullable<Chunk['choices'][number]['thinking']> | undefined;
  #usage: Chunk['usage'];
  #firstTextAt: number | undefined;

  add(chunk: Chunk): void {
    this.#usage = chunk.usage ?? this.#usage;
    for (const { delta, thinking } of chunk.choices) {
      this.#thinking = thinking ?? this.#thinking;
      if (delta.content || delta.reasoning_content) this.#firstTextAt ??= performance.now();
    }
  }

  build() {
    const numTokens = this.#usage?.completion_tokens ?? 0;
    const reasoningTokens = this.#usage?.completion_tokens_details?.reasoning_tokens ?? 0;
    const seconds = (performance.now() - (this.#firstTextAt ?? Number.NaN)) / 1000;
    return {
      mode: this.#thinking?.mode ?? null,
      pThink: this.#thinking?.p_think ?? null,
      endedBy: this.#thinking?.ended_by ?? null,
      reasoningTokens,
      answerTokens: numTokens - reasoningTokens,
      // The clock starts at the first token, so that one does not count.
      tokensPerSecond: numTokens > 1 && seconds > 0 ? (numTokens - 1) / seconds : null,
    };
  }
}
