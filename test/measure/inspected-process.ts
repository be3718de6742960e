import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'undici';

/** One compiled function of the project with how often it ran. */
export interface FunctionRuns {
  /** File and offset: the same function has the same key in every process and worker thread. */
  readonly key: string;
  /** Path below the project's compiled sources, as `src/server/main.js`. */
  readonly file: string;
  /** Empty for a function without a name of its own. */
  readonly name: string;
  /** Calls and resumptions: V8 counts a generator or an async function again each time it goes on. */
  readonly count: number;
  /** The function's text, from its `async` or name on. */
  readonly text: string;
}

interface CoverageReply {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
    }[];
  }[];
}

interface Incoming {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

type Send = (message: string) => void;

/** The compiled sources: this file lies in dist/test/measure. */
const COMPILED = new URL('../../', import.meta.url);

/** Commands to one V8 isolate and its replies. */
class InspectorSession {
  readonly #send: Send;
  readonly #pending = new Map<number, (message: Incoming) => void>();
  readonly #onEvent: (message: Incoming) => void;
  #lastId = 0;

  constructor(send: Send, onEvent: (message: Incoming) => void = () => undefined) {
    this.#send = send;
    this.#onEvent = onEvent;
  }

  receive(text: string): void {
    const message = JSON.parse(text) as Incoming;
    if (message.id === undefined) this.#onEvent(message);
    else this.#answer(message.id, message);
  }

  #answer(id: number, message: Incoming): void {
    this.#pending.get(id)?.(message);
    this.#pending.delete(id);
  }

  /** @throws Error with the inspector's sentence when it rejects the command */
  async post(method: string, params: Record<string, unknown> = {}): Promise<unknown> {
    const id = ++this.#lastId;
    const reply = new Promise<Incoming>((resolve) => this.#pending.set(id, resolve));
    this.#send(JSON.stringify({ id, method, params }));
    const { result, error } = await reply;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async startCoverage(): Promise<void> {
    await this.post('Profiler.enable');
    await this.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  }
}

/**
 * A Node process that runs with `--inspect`, its worker threads included: which functions of the project ran, and how
 * often. Speaks the V8 inspector's protocol over its WebSocket.
 */
export class InspectedProcess {
  readonly #socket: WebSocket;
  readonly #main: InspectorSession;
  readonly #workers = new Map<string, InspectorSession>();
  /** Settled for every worker whose coverage has begun. */
  readonly #starts: Promise<unknown>[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#main = new InspectorSession(
      (text) => socket.send(text),
      (message) => this.#onEvent(message),
    );
    socket.addEventListener('message', ({ data }) => this.#main.receive(String(data)));
  }

  /** Connects to the address that a process writes at its start and begins to count. */
  static async connect(address: string): Promise<InspectedProcess> {
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error(`No inspector at ${address}.`)));
    });
    const inspected = new InspectedProcess(socket);
    await inspected.#main.startCoverage();
    await inspected.#main.post('NodeWorker.enable', { waitForDebuggerOnStart: true });
    return inspected;
  }

  /** What ran since the last call, or since the connection; functions that did not run are left out. */
  async takeRuns(): Promise<FunctionRuns[]> {
    await Promise.all(this.#starts);
    const sessions = [this.#main, ...this.#workers.values()];
    const replies = await Promise.all(
      sessions.map((session) => session.post('Profiler.takePreciseCoverage')),
    );
    return merged(replies.flatMap((reply) => runsIn(reply as CoverageReply)));
  }

  close(): void {
    this.#socket.close();
  }

  #onEvent({ method, params = {} }: Incoming): void {
    const sessionId = String(params['sessionId']);
    if (method === 'NodeWorker.receivedMessageFromWorker') {
      this.#workers.get(sessionId)?.receive(String(params['message']));
    }
    if (method === 'NodeWorker.detachedFromWorker') this.#workers.delete(sessionId);
    if (method !== 'NodeWorker.attachedToWorker') return;
    const worker = new InspectorSession((message) => {
      void this.#main.post('NodeWorker.sendMessageToWorker', { sessionId, message });
    });
    this.#workers.set(sessionId, worker);
    const started = worker.startCoverage();
    this.#starts.push(started.then(() => worker.post('Runtime.runIfWaitingForDebugger')));
  }
}

function runsIn({ result }: CoverageReply): FunctionRuns[] {
  const own = result.filter(({ url }) => url.startsWith(`${COMPILED.href}src/`));
  return own.flatMap(({ url, functions }) => {
    const source = readFileSync(fileURLToPath(url), 'utf8');
    return functions.flatMap(({ functionName, ranges: [range] }) => {
      // Offset 0 without a name is the module itself.
      const isModule = functionName === '' && range?.startOffset === 0;
      if (range === undefined || range.count === 0 || isModule) return [];
      const { startOffset, count } = range;
      const file = url.slice(COMPILED.href.length);
      const text = source.slice(startOffset, startOffset + 200);
      return [{ key: `${file}:${startOffset}`, file, name: functionName, count, text }];
    });
  });
}

/** One row a function: the counts of the main thread and the workers are added up. */
function merged(runs: readonly FunctionRuns[]): FunctionRuns[] {
  const byKey = new Map<string, FunctionRuns>();
  for (const run of runs) {
    const count = run.count + (byKey.get(run.key)?.count ?? 0);
    byKey.set(run.key, { ...run, count });
  }
  return [...byKey.values()];
}
