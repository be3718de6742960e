/**
 * How much code one request runs: `npm run measure`, after it `-- --check` to fail beyond the limits, `-- --list` for
 * every function and layer.
 *
 * Starts the real server on the shipped model, both of its processes with V8's inspector open, and reads V8's precise
 * coverage of both, the worker threads of the server included:
 *
 * - **functions and files**: the named functions of `src/` that ran during one streamed chat request with an image (the
 *   first since the start) and not during seconds without any request, and the source files they stand in. A function
 *   that both processes run counts once; the body of a module counts as no function.
 * - **layers**: what every token passes, one after another, between the engine's message and the socket. V8 counts a
 *   generator or an async function again each time it goes on, so a layer is found by its growth: two requests differ
 *   only in how many tokens they must generate, and an async function of any kind that ran more often in the longer one,
 *   by at least half of the additional events the client got, takes part in each event. That finds async generators,
 *   `for await` loops in async functions, `next` methods written by hand and async functions that are awaited for each
 *   token, whatever room they stand in. Node's own streams are not counted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type FunctionRuns, InspectedProcess } from './inspected-process.ts';

const LIMITS = { functions: 350, files: 80, layers: 5 };
const IDLE_MS = 3_000;
const TOKENS = { few: 24, many: 72 };
const PACKAGE = 'models/nano';
const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** The async functions that take part in every event, by how they are written. */
const ASYNC_KINDS: readonly (readonly [RegExp, string])[] = [
  [/^(static )?async( function)? ?\*/, 'async generator'],
  [/^(static )?(async )?next ?\(/, 'iterator'],
  [/^(static )?async\b/, 'async function'],
];

const { values: flags } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly server: InspectedProcess;
  readonly engine: InspectedProcess;
}

/** Starts the server and connects to both processes; the engine process opens its inspector as the server did. */
async function start(): Promise<Running> {
  const args = ['--inspect=127.0.0.1:0', CLI, 'serve', PACKAGE, '--port', '0'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (bytes: Buffer): void => {
      output += bytes;
      const [, found] = / at (https?:\S+)\n/.exec(output) ?? [];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`The server ended with ${code}: ${output}`)));
  });
  const [server, engine] = [...output.matchAll(/ws:\/\/\S+/g)].map(([address]) => address);
  if (server === undefined || engine === undefined) throw new Error(`No inspectors in: ${output}`);
  return {
    child,
    url,
    server: await InspectedProcess.connect(server),
    engine: await InspectedProcess.connect(engine),
  };
}

/** Sends one streamed chat request with an image and reads the reply to its end. @returns how many events came */
async function request(url: string, fields: Record<string, unknown>): Promise<number> {
  const image = await readFile(`${PACKAGE}/examples/chart.png`, 'base64');
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'nano',
      stream: true,
      temperature: 0,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: `data:image/png;base64,${image}` } },
            { type: 'text', text: 'What is the total of the bars?' },
          ],
        },
      ],
      ...fields,
    }),
  });
  const text = await response.text();
  if (!text.endsWith('data: [DONE]\n\n')) throw new Error(`${response.status}: ${text}`);
  return text.split('\n\n').length;
}

/** Named functions that ran in the request and not before it. */
function beyond(idle: readonly FunctionRuns[], busy: readonly FunctionRuns[]): FunctionRuns[] {
  const before = new Set(idle.map(({ key }) => key));
  return busy.filter(({ key, name }) => name !== '' && !before.has(key));
}

interface Layer {
  readonly file: string;
  readonly text: string;
  readonly kind: string;
  /** Runs for each additional event. */
  readonly runsPerEvent: number;
}

/** The async functions whose runs grow with the events. */
function layersIn(
  few: readonly FunctionRuns[],
  many: readonly FunctionRuns[],
  moreEvents: number,
): Layer[] {
  const counts = new Map(few.map(({ key, count }) => [key, count]));
  return many.flatMap(({ key, file, text, count }) => {
    const runsPerEvent = (count - (counts.get(key) ?? 0)) / moreEvents;
    const kind = ASYNC_KINDS.find(([pattern]) => pattern.test(text))?.[1];
    if (kind === undefined || runsPerEvent < 0.5) return [];
    return [{ file, text, kind, runsPerEvent }];
  });
}

async function measure({ url, server, engine }: Running) {
  await Promise.all([server.takeRuns(), engine.takeRuns()]);
  await sleep(IDLE_MS);
  const idle = await Promise.all([server.takeRuns(), engine.takeRuns()]);
  await request(url, {});
  const busy = await Promise.all([server.takeRuns(), engine.takeRuns()]);
  const ofLength = (tokens: number) =>
    request(url, { thinking: { type: 'disabled' }, max_tokens: tokens, min_tokens: tokens });
  const fewEvents = await ofLength(TOKENS.few);
  const few = await server.takeRuns();
  const manyEvents = await ofLength(TOKENS.many);
  const many = await server.takeRuns();
  return {
    server: beyond(idle[0], busy[0]),
    engine: beyond(idle[1], busy[1]),
    layers: layersIn(few, many, manyEvents - fewEvents),
  };
}

/** What ran in either process; a function that both run counts once. */
function union(...processes: readonly (readonly FunctionRuns[])[]): FunctionRuns[] {
  return [...new Map(processes.flat().map((run) => [run.key, run])).values()];
}

function numFiles(functions: readonly FunctionRuns[]): number {
  return new Set(functions.map(({ file }) => file)).size;
}

function list(title: string, lines: readonly string[]): void {
  process.stdout.write(`\n${title}\n${lines.map((line) => `  ${line}\n`).join('')}`);
}

const running = await start();
try {
  const { server, engine, layers } = await measure(running);
  const both = union(server, engine);
  const found = { functions: both.length, files: numFiles(both), layers: layers.length };
  process.stdout.write('One streamed chat request with an image      measured   limit\n');
  const rows = [
    ['functions', found.functions, LIMITS.functions],
    ['  of the server process', server.length, ''],
    ['  of the engine process', engine.length, ''],
    ['source files', found.files, LIMITS.files],
    ['  of the server process', numFiles(server), ''],
    ['  of the engine process', numFiles(engine), ''],
    ['async layers that every token passes', found.layers, LIMITS.layers],
  ] as const;
  for (const [what, value, limit] of rows) {
    process.stdout.write(
      `${what.padEnd(42)}${String(value).padStart(11)}${String(limit).padStart(8)}\n`,
    );
  }
  list(
    'The layers, with how often each runs for an event:',
    layers.map(({ file, text, kind, runsPerEvent }) => {
      const [head = ''] = text.split('\n');
      return `${runsPerEvent.toFixed(1).padStart(5)}  ${kind}  ${file}  ${head.slice(0, 60)}`;
    }),
  );
  for (const [name, functions] of flags.list ? Object.entries({ server, engine }) : []) {
    list(
      `Functions of the ${name} process:`,
      functions.map((run) => `${run.file}  ${run.name}`).sort(),
    );
  }
  const isOver = (['functions', 'files', 'layers'] as const).some((of) => found[of] > LIMITS[of]);
  if (isOver && flags.check) {
    process.stderr.write('\nA request runs through more code than the limits allow.\n');
    process.exitCode = 1;
  }
} finally {
  running.server.close();
  running.engine.close();
  running.child.kill('SIGKILL');
}
