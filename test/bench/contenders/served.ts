import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Measured, Task } from './contender.ts';

const CLI = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
/** What the chat template of a direct answer adds to a text. */
const TEMPLATE_TOKENS = 11;
/** Common words, one token each in most vocabularies. */
const WORDS =
  'time year people way day man thing woman life child world school state family student group country problem hand part place case week company system program question work number night point home water room mother area money story fact month lot right study book eye job word business issue side kind head house service friend father power hour game line end member law car city name team minute idea body back parent face others level office door health person art war history party result change morning reason research girl guy moment air teacher force education'.split(
    ' ',
  );

export interface Timed {
  /** From the request to its first token, in milliseconds. */
  readonly firstMs: number;
  readonly text: string;
}

/** Our server in its own processes, spoken to over HTTP. */
export class Served {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(name: string, child: ChildProcess, url: string) {
    this.name = name;
    this.#child = child;
    this.#url = url;
  }

  static async start(
    packageDir: string,
    flags: Readonly<Record<string, string | number>>,
    { name = 'served', cli = CLI } = {},
  ): Promise<Served> {
    const port = await freePort();
    const own = cli === CLI ? { 'served-model-name': 'm' } : {};
    const options = Object.entries({ port, 'log-level': 'error', ...own, ...flags });
    const words = options.flatMap(([flag, value]) =>
      value === '' ? [`--${flag}`] : [`--${flag}`, String(value)],
    );
    const stdio = ['ignore', 'ignore', 'inherit'] as const;
    const child = spawn(process.execPath, [cli, 'serve', packageDir, ...words], {
      stdio: [...stdio],
    });
    const served = new Served(name, child, `http://127.0.0.1:${port}`);
    await served.#untilReady();
    return served;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** A task as direct answers of exactly as many tokens. */
  async run({ streams, promptTokens, newTokens }: Task): Promise<Measured> {
    const started = performance.now();
    const replies = await Promise.all(
      Array.from({ length: streams }, () =>
        this.ask({
          thinking_mode: 'fast',
          temperature: 0,
          max_tokens: newTokens,
          min_tokens: newTokens,
          stream_options: { include_usage: true },
          messages: [{ role: 'user', content: freshText(promptTokens) }],
        }),
      ),
    );
    const seconds = (performance.now() - started) / 1000;
    const found = /"usage":\{"prompt_tokens":(\d+),"completion_tokens":(\d+)/.exec(
      replies[0]?.text ?? '',
    );
    if (Number(found?.[2]) !== newTokens) throw new Error(`${found?.[2]} of ${newTokens} tokens.`);
    return { seconds, promptTokens: Number(found?.[1]) };
  }

  /** One streamed request, read to its end or until `signal`. */
  ask(fields: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<Timed> {
    const body = JSON.stringify({ model: 'm', stream: true, ...fields });
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const call = request(`${this.#url}/v1/chat/completions`, {
        method: 'POST',
        agent: this.#agent,
        headers: { 'content-type': 'application/json' },
        ...(signal && { signal }),
      });
      call.on('error', reject);
      call.on('response', (response) => {
        let firstMs = Number.NaN;
        let text = '';
        response.setEncoding('utf8');
        response.on('error', reject);
        response.on('data', (part: string) => {
          // The chunk with the role alone comes with the decision, in the same step as the first token or before.
          if (Number.isNaN(firstMs) && hasToken(part)) firstMs = performance.now() - started;
          text = part.length > 2_000 ? part : (text + part).slice(-4_000);
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve({ firstMs, text });
          else reject(new Error(`${response.statusCode}: ${text}`));
        });
      });
      call.end(body);
    });
  }

  /** A sample of /metrics, all label sets together. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.#url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(name));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  stop(): Promise<void> {
    this.#agent.destroy();
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.kill('SIGTERM');
    });
  }

  async #untilReady(): Promise<void> {
    for (;;) {
      if (this.#child.exitCode !== null) throw new Error('The server did not start.');
      const reply = await fetch(`${this.#url}/ready`).catch(() => null);
      if (reply?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function hasToken(part: string): boolean {
  return /"(content|reasoning)":"[^"]|"logprob":/.test(part) || part.includes('"finish_reason":"');
}

/** About as many tokens, a chat template's own among them, and never the same text twice. */
export function freshText(numTokens: number): string {
  const count = Math.max(1, numTokens - TEMPLATE_TOKENS);
  const pick = (): string => WORDS[Math.floor(Math.random() * WORDS.length)] ?? '';
  return Array.from({ length: count }, pick).join(' ');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      );
    });
  });
}
