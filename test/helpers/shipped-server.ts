import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ServerConfig } from '../../src/config/config.ts';
import { type RunningServer, startServer } from '../../src/server/main.ts';

export const SHIPPED_PACKAGE = 'models/nano';

/**
 * Starts the real server, engine process included, on a free port; options that are not given have their defaults. An
 * operator has one thread: tests run beside each other, and threads that spin take each other's cores.
 */
export function startShipped(options: Partial<ServerConfig> = {}): Promise<RunningServer> {
  return startServer({
    package: SHIPPED_PACKAGE,
    ...options,
    engine: { threads: 1, ...options.engine },
    http: { port: 0, ...options.http },
    log: { level: 'silent', ...options.log },
  });
}

/** A question of the committed held-out set. */
export interface HeldoutQuestion {
  readonly id: string;
  readonly task: string;
  readonly kind: 'perception' | 'multi-step' | 'out-of-scope' | 'text';
  readonly image: string | null;
  readonly question: string;
  readonly answer: string;
  readonly accept?: readonly string[];
}

/** "questions" has as many of every task, "mixed" random questions about random pictures. */
export const HELDOUT_SETS = ['questions', 'mixed'] as const;

export async function readHeldout(
  set: (typeof HELDOUT_SETS)[number] = 'questions',
): Promise<HeldoutQuestion[]> {
  const text = await readFile(path.join(SHIPPED_PACKAGE, 'heldout', `${set}.jsonl`), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as HeldoutQuestion);
}

/** The body of a chat request about a picture of the package, or about text alone. */
export async function requestBody(
  { image, question }: Pick<HeldoutQuestion, 'image' | 'question'>,
  extra: Record<string, unknown> = {},
): Promise<Record<string, unknown>> {
  const text = { type: 'text', text: question };
  if (image === null)
    return { model: 'nano', messages: [{ role: 'user', content: [text] }], ...extra };
  const bytes = await readFile(path.join(SHIPPED_PACKAGE, 'heldout', image));
  const url = `data:image/png;base64,${bytes.toString('base64')}`;
  const picture = { type: 'image_url', image_url: { url } };
  return { model: 'nano', messages: [{ role: 'user', content: [picture, text] }], ...extra };
}

/** The parts of a reply the tests look at. */
export interface Reply {
  readonly choices: readonly [
    {
      readonly finish_reason: string;
      readonly message: { readonly content: string; readonly reasoning_content: string | null };
      readonly thinking: {
        readonly requested: string;
        readonly mode: string;
        readonly source: string;
        readonly p_think: number | null;
        readonly ended_by: string | null;
      };
      readonly logprobs: {
        readonly content: readonly LogprobEntry[];
        readonly reasoning_content: readonly LogprobEntry[];
      } | null;
    },
  ];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly completion_tokens_details: { readonly reasoning_tokens: number };
    readonly prompt_tokens_details: {
      readonly image_tokens: number;
      readonly cached_tokens: number;
    };
  };
}

interface LogprobEntry {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

export async function ask(server: RunningServer, body: Record<string, unknown>): Promise<Reply> {
  const response = await post(server, body);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as Reply;
}

export function post(
  server: RunningServer,
  body: Record<string, unknown>,
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
}
