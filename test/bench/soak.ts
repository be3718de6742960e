/**
 * The server at saturation for a long while, with clients that leave at random moments:
 *
 *   node dist/test/bench/soak.js --minutes 30 [--package models/nano] [--slots 8] [--clients 16] [--aborts 0.3]
 *
 * Prints what was answered, refused and aborted, errors nobody provoked, memory over time, and whether every slot is
 * free in the end and takes a request. Exits with 1 where something is wrong.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freshText, Served } from './contenders/served.ts';
import { median } from './paired.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    package: { type: 'string', default: 'models/nano' },
    slots: { type: 'string', default: '8' },
    clients: { type: 'string', default: '16' },
    aborts: { type: 'string', default: '0.3' },
    threads: { type: 'string', default: '2' },
  },
});
const [minutes, slots, clients] = [
  Number(values.minutes),
  Number(values.slots),
  Number(values.clients),
];
const [share, SAMPLES] = [Number(values.aborts), 60];
const MEBIBYTE = 2 ** 20;

const served = await Served.start(values.package, {
  threads: values.threads,
  'max-num-seqs': slots,
  'max-model-len': 1024,
  'max-queue': slots,
});
const images = await imageUrls(values.package);
const counts = { answered: 0, aborted: 0, refused: 0 };
const errors = new Map<string, number>();
const memory: { readonly minute: number; readonly engine: number; readonly server: number }[] = [];

const started = performance.now();
const elapsedMinutes = (): number => (performance.now() - started) / 60_000;
const loops = Array.from({ length: clients }, client);
const sampling = setInterval(() => void sample(), Math.max(2_000, (minutes * 60_000) / SAMPLES));
await Promise.all(loops);
clearInterval(sampling);
await sample();
const isIdle = await untilIdle();
const usable = await usableSlots();
await served.stop();

console.log(`${minutes} minutes, ${clients} clients on ${slots} slots of ${values.package}`);
console.log(`answered ${counts.answered}, left ${counts.aborted}, refused ${counts.refused}`);
console.log('| minute | engine MiB | server MiB |\n|---|---|---|');
for (const { minute, engine, server } of memory) {
  console.log(`| ${minute.toFixed(1)} | ${engine.toFixed(0)} | ${server.toFixed(0)} |`);
}
const quarter = Math.floor(memory.length / 4);
for (const name of ['engine', 'server'] as const) {
  const early = median(memory.slice(quarter, 2 * quarter).map((one) => one[name]));
  const late = median(memory.slice(-quarter).map((one) => one[name]));
  console.log(
    `${name}: ${early.toFixed(0)} MiB in the second quarter, ${late.toFixed(0)} in the last`,
  );
}
console.log(`errors: ${errors.size === 0 ? 'none' : JSON.stringify([...errors])}`);
console.log(`idle in the end: ${isIdle}; slots that take a request: ${usable} of ${slots}`);
process.exitCode = errors.size === 0 && isIdle && usable === slots ? 0 : 1;

async function client(): Promise<void> {
  while (elapsedMinutes() < minutes) {
    const leave = new AbortController();
    const willLeave = Math.random() < share;
    const timer = willLeave ? setTimeout(() => leave.abort(), Math.random() * 400) : undefined;
    try {
      const { text } = await served.ask(randomFields(), leave.signal);
      if (text.endsWith('data: [DONE]\n\n')) counts.answered++;
      else note(`no end: ${text.slice(-200)}`);
    } catch (error) {
      await failed(String(error), leave.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function failed(what: string, left: boolean): Promise<void> {
  if (left) counts.aborted++;
  else if (what.includes('"code":"queue_full"')) {
    counts.refused++;
    await new Promise((resolve) => setTimeout(resolve, 200));
  } else note(what.slice(0, 300));
}

function note(what: string): void {
  errors.set(what, (errors.get(what) ?? 0) + 1);
}

function randomFields(): Record<string, unknown> {
  const pick = <T>(items: readonly T[]): T | undefined =>
    items[Math.floor(Math.random() * items.length)];
  const text = { type: 'text', text: freshText(8 + Math.floor(Math.random() * 100)) };
  const url = Math.random() < 0.3 ? pick(images) : undefined;
  const content = url === undefined ? [text] : [{ type: 'image_url', image_url: { url } }, text];
  return {
    thinking_mode: pick(['auto', 'auto', 'think', 'fast']),
    temperature: pick([0, 1]),
    max_tokens: 8 + Math.floor(Math.random() * 200),
    min_tokens: pick([0, 4]),
    priority: pick([-2, 0, 0, 2]),
    messages: [{ role: 'user', content }],
  };
}

async function imageUrls(packageDir: string): Promise<string[]> {
  const folder = join(packageDir, 'heldout');
  const lines = await readFile(join(folder, 'questions.jsonl'), 'utf8').catch(() => '');
  const names = lines.split('\n').flatMap((line) => {
    const image: unknown = line === '' ? null : JSON.parse(line).image;
    return typeof image === 'string' ? [image] : [];
  });
  const files = [...new Set(names)].slice(0, 50);
  const bytes = await Promise.all(files.map((file) => readFile(join(folder, file))));
  return bytes.map((image) => `data:image/png;base64,${image.toString('base64')}`);
}

async function sample(): Promise<void> {
  const engine = await served.metric('thinkgate_engine_resident_memory_bytes');
  const status = await readFile(`/proc/${served.pid}/status`, 'utf8').catch(() => '');
  const server = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
  memory.push({ minute: elapsedMinutes(), engine: engine / MEBIBYTE, server });
}

async function untilIdle(): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    const running = await served.metric('thinkgate_num_requests_running');
    const waiting = await served.metric('thinkgate_num_requests_waiting');
    if (running + waiting === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

/** Most requests that run at once when as many come as there are slots. */
async function usableSlots(): Promise<number> {
  const end = new AbortController();
  const fields = { thinking_mode: 'fast', max_tokens: 800, min_tokens: 800, temperature: 1 };
  const messages = [{ role: 'user', content: 'Go on.' }];
  const asked = Array.from({ length: slots }, () =>
    served.ask({ ...fields, messages }, end.signal).catch(() => undefined),
  );
  let most = 0;
  for (let i = 0; i < 50 && most < slots; i++) {
    most = Math.max(most, await served.metric('thinkgate_num_requests_running'));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  end.abort();
  await Promise.all(asked);
  return most;
}
