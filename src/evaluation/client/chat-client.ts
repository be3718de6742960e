import { Agent, fetch, type Response } from 'undici';
import { z } from 'zod';
import { readEvents } from '../../client/read-events.ts';
import { EvaluationError } from '../evaluation-error.ts';
import { chunkSchema, type Reply, ReplyBuilder } from './reply.ts';
import { failureScope, retryAfterMs, ServerFailure } from './server-failure.ts';

export interface ChatClientOptions {
  /** Base URL, with or without `/v1`. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Timeout of a whole reply. */
  readonly timeoutMs: number;
}

/** A model as the server lists it. Only thinkgate lists thinking modes and profiles. */
export interface ModelEntry {
  readonly id: string;
  readonly precision: string | null;
  readonly modes: readonly string[] | null;
  /** Thresholds of calibrated profiles by name. */
  readonly profiles: Readonly<Record<string, number>>;
}

const modelListSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      precision: z.string().nullish().catch(null),
      thinking: z
        .object({
          modes: z.array(z.string()),
          profiles: z.record(z.string(), z.object({ threshold: z.number() })).default({}),
        })
        .nullish()
        .catch(null),
    }),
  ),
});

const errorSchema = z.object({ error: z.object({ message: z.string() }) });

/** A client of one OpenAI-compatible server. */
export class ChatClient {
  readonly base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  // Thinking may take longer than undici's default timeouts; the timeout of the whole reply applies instead.
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

  constructor({ url, apiKey, timeoutMs }: ChatClientOptions) {
    this.base = apiBase(url);
    this.#timeoutMs = timeoutMs;
    this.#headers = {
      'content-type': 'application/json',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    };
  }

  /**
   * The models that the server lists.
   * @throws EvaluationError for a reply that is no list, ServerFailure for an error
   */
  async models(signal: AbortSignal): Promise<ModelEntry[]> {
    const response = await this.#fetch('/models', { signal });
    await assertOk(response);
    const parsed = modelListSchema.safeParse(await response.json().catch(() => undefined));
    if (!parsed.success) throw new EvaluationError(`${this.base}/models does not list models.`);
    return parsed.data.data.map(({ id, precision, thinking }) => ({
      id,
      precision: precision ?? null,
      modes: thinking?.modes ?? null,
      profiles: Object.fromEntries(
        Object.entries(thinking?.profiles ?? {}).map(([name, { threshold }]) => [name, threshold]),
      ),
    }));
  }

  /**
   * One completion. It is streamed, so that no proxy times out.
   * @throws ServerFailure for an error status, an error event, a timeout or a broken stream
   */
  async complete(body: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<Reply> {
    const start = performance.now();
    const response = await this.#fetch('/chat/completions', {
      method: 'POST',
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]),
    });
    await assertOk(response);
    const builder = new ReplyBuilder(start);
    try {
      await readReply(response, builder);
    } catch (error) {
      if (error instanceof ServerFailure || signal.aborted) throw error;
      throw new ServerFailure(`The reply broke off: ${reason(error)}`, 'later', { cause: error });
    }
    if (!builder.isFinished) throw new ServerFailure('The reply broke off.', 'later');
    return builder.build();
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #fetch(
    path: string,
    init: { method?: string; body?: string; signal: AbortSignal },
  ): Promise<Response> {
    const url = `${this.base}${path}`;
    try {
      return await fetch(url, { ...init, headers: this.#headers, dispatcher: this.#agent });
    } catch (error) {
      if (init.signal.aborted && init.method === undefined) throw error;
      throw new ServerFailure(`${url} did not answer: ${reason(error)}`, 'later', { cause: error });
    }
  }
}

/** Adds `/v1` to a URL without a path; a URL with a path stays as it is. */
export function apiBase(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new EvaluationError(`"${url}" is not an http address.`);
  }
  const path = parsed.pathname.replace(/\/+$/, '');
  return `${parsed.origin}${path === '' ? '/v1' : path}`;
}

async function readReply(response: Response, builder: ReplyBuilder): Promise<void> {
  const type = response.headers.get('content-type') ?? '';
  if (!type.includes('text/event-stream')) {
    builder.add(chunkSchema.parse(await response.json()));
    return;
  }
  if (response.body === null) return;
  for await (const data of readEvents(response.body as AsyncIterable<Uint8Array>)) {
    if (data === '[DONE]') return;
    const chunk = chunkSchema.parse(JSON.parse(data));
    if (chunk.error) throw new ServerFailure(chunk.error.message, 'later');
    builder.add(chunk);
  }
}

async function assertOk(response: Response): Promise<void> {
  if (response.ok) return;
  const parsed = errorSchema.safeParse(await response.json().catch(() => undefined));
  const message = parsed.success ? parsed.data.error.message : 'no reason given';
  throw new ServerFailure(`Status ${response.status}: ${message}`, failureScope(response.status), {
    retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
  });
}

function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
