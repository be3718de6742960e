/**
 * The benchmark: one table of what the server does beside a bare decode loop, transformers.js and llama.cpp.
 *
 *   (cd test/bench/peers && npm install --ignore-scripts)
 *   node dist/test/bench/models/write-models.js /tmp/bench-models
 *   npm run bench -- --models /tmp/bench-models
 *
 * Every number is a median of rounds in which the contenders take turns; ratios are medians of the rounds' own. Needs
 * a quiet machine. `--quick` shows that it runs; `--only nano,peers` takes some parts: machine, nano, large, peers,
 * nano-ttft, large-ttft, turns.
 */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Contender } from './contenders/contender.ts';
import { Served } from './contenders/served.ts';
import { amongThinkers, directAnswers, turnsOnImages } from './latencies.ts';
import {
  interleaved,
  median,
  medianRate,
  pairedRatio,
  percentile,
  type Rates,
  type Runs,
} from './paired.ts';
import { readBandwidth } from './read-bandwidth.ts';

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: '/tmp/bench-models' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    slots: { type: 'string', default: '8' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
const rounds = values.quick ? 1 : Number(values.rounds);
const [threads, slots] = [Number(values.threads), Number(values.slots)];
const newTokens = values.quick ? 8 : 64;
const NANO = 'models/nano';
const LARGE = join(values.models, 'package');
const LARGER_BLOCKS = join(values.models, 'package-128');

interface Row {
  readonly what: string;
  readonly found: string;
  readonly against: string;
  readonly ratio: number;
  readonly aim: string;
}
const rows: Row[] = [];

const script = (name: string): URL => new URL(`./contenders/${name}.js`, import.meta.url);
const context = 1024;
const serve = (model: string, flags: Record<string, string | number> = {}): Promise<Served> =>
  Served.start(model, {
    threads,
    'max-num-seqs': slots,
    'max-model-len': context,
    'max-num-thinking-seqs': slots - 1,
    ...flags,
  });
/** No cache and no speculative decoding: the text of a random model repeats itself far more than real text. */
const PLAIN = { 'no-enable-prefix-caching': '', 'no-speculative-decoding': '' };
const start = (name: string, file: string, model: string): Promise<Contender> =>
  Contender.start(name, script(file), { model, threads, streams: slots, context });

interface Pair {
  readonly ours?: string;
  readonly other: string;
  readonly aim: string;
}

function compare(what: string, rates: Rates, { ours: name = 'served', other, aim }: Pair): void {
  const [ours, theirs] = [medianRate(rates, name), medianRate(rates, other)];
  const ratio = pairedRatio(rates, name, other);
  rows.push({
    what: `${what}, ${name} ÷ ${other}`,
    found: `${ours.toFixed(1)} tokens/s`,
    against: `${theirs.toFixed(1)} tokens/s`,
    ratio,
    aim,
  });
}

async function describe(): Promise<void> {
  const bandwidth = await readBandwidth(threads);
  const gib = totalmem() / 2 ** 30;
  console.log(
    `${cpus()[0]?.model}, ${availableParallelism()} threads, ${gib.toFixed(0)} GiB, Node ${process.version}`,
  );
  console.log(
    `reads ${(bandwidth / 1e9).toFixed(1)} GB/s; ${threads} threads, ${slots} slots, ${rounds} rounds`,
  );
  for (const model of [NANO, LARGE, LARGER_BLOCKS])
    console.log(`${model}: manifest sha256 ${await hashOf(model)}`);
  for (const model of [LARGE, LARGER_BLOCKS]) {
    const bare = await start('bare loop', 'bare-loop', model);
    const rates = await interleaved([bare], { streams: 1, promptTokens: 16, newTokens }, rounds);
    bare.stop();
    const bytes = statSync(join(model, 'text.data')).size;
    const used = bytes * medianRate(rates, 'bare loop');
    rows.push({
      what: `memory read by the bare loop${blocksOf(model)}, 1 stream ÷ read bandwidth`,
      found: `${(used / 1e9).toFixed(1)} GB/s (${(bytes / 1e6).toFixed(0)} MB a token)`,
      against: `${(bandwidth / 1e9).toFixed(1)} GB/s`,
      ratio: used / bandwidth,
      aim: '≥ 0.7',
    });
  }
}

function blocksOf(model: string): string {
  return model === LARGER_BLOCKS ? ' in blocks of 128' : '';
}

async function hashOf(model: string): Promise<string> {
  const bytes = await readFile(join(model, 'manifest.json'));
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

async function againstBareLoop(model: string, tokens: number): Promise<void> {
  const name = model === NANO ? 'nano' : 'Qwen3-0.6B shape';
  const served = await serve(model, PLAIN);
  const bare = await start('bare loop', 'bare-loop', model);
  for (const [streams, aim] of [
    [1, ''],
    [slots, '≥ 0.95'],
  ] as const) {
    const rates = await interleaved(
      [served, bare],
      { streams, promptTokens: 16, newTokens: tokens },
      rounds,
    );
    compare(`${name}, ${streams} streams`, rates, { other: 'bare loop', aim });
  }
  bare.stop();
  await served.stop();
}

const servers: Served[] = [];

async function serveBare(model: string): Promise<Runs> {
  const server = await serve(model, PLAIN);
  servers.push(server);
  return { name: `served${blocksOf(model)}`, run: (task) => server.run(task) };
}

async function againstPeers(): Promise<void> {
  const peers: readonly { name: string; file: string; model: string; one: string; all: string }[] =
    [
      {
        name: 'transformers.js',
        file: 'transformers-js',
        model: 'transformers-js',
        one: '≥ 1.2',
        all: '≥ 3',
      },
      { name: 'node-llama-cpp', file: 'llama-cpp', model: 'model.gguf', one: '≥ 1.15', all: '≥ 2' },
    ];
  const served: readonly Runs[] = await Promise.all([LARGE, LARGER_BLOCKS].map(serveBare));
  for (const { name, file, model, one, all } of peers) {
    const peer = await start(name, file, join(values.models, model));
    const both = async (what: string, task: Parameters<typeof interleaved>[1], aim: string) => {
      const rates = await interleaved([...served, peer], task, rounds);
      for (const { name: ours } of served)
        compare(`Qwen3-0.6B shape, ${what}`, rates, { ours, other: name, aim });
    };
    await both('1 stream', { streams: 1, promptTokens: 16, newTokens }, one);
    await both(`${slots} streams`, { streams: slots, promptTokens: 16, newTokens }, all);
    await both('prompt of 512', { streams: 1, promptTokens: 512, newTokens: 1 }, '≥ 1.1');
    peer.stop();
  }
  await Promise.all(servers.splice(0).map((server) => server.stop()));
}

async function amongOthers(model: string, count: number): Promise<void> {
  const served = await serve(model, { 'no-enable-prefix-caching': '' });
  await directAnswers(served, 5);
  const idle = await directAnswers(served, count);
  const busy = await amongThinkers(served, slots - 1, count);
  const [least, most] = [percentile(idle, 0.95), percentile(busy, 0.95)];
  rows.push({
    what: `${model === NANO ? 'nano' : 'Qwen3-0.6B shape'}, p95 TTFT of direct answers among ${slots - 1} thinkers ÷ idle`,
    found: `${most.toFixed(1)} ms`,
    against: `${least.toFixed(1)} ms`,
    ratio: most / least,
    aim: '≤ 2',
  });
  await served.stop();
}

async function secondTurns(): Promise<void> {
  const served = await serve(NANO);
  await turnsOnImages(served, NANO, 3);
  const { first, second } = await turnsOnImages(served, NANO, values.quick ? 4 : 40);
  rows.push({
    what: 'nano, TTFT of a second turn on an image ÷ first',
    found: `${median(second).toFixed(1)} ms`,
    against: `${median(first).toFixed(1)} ms`,
    ratio: median(second) / median(first),
    aim: '≤ 0.1',
  });
  await served.stop();
}

if (!existsSync(LARGE))
  throw new Error(`There are no models in ${values.models}; see the head of this file.`);
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  machine: describe,
  nano: () => againstBareLoop(NANO, 4 * newTokens),
  large: () => againstBareLoop(LARGE, newTokens),
  peers: againstPeers,
  'nano-ttft': () => amongOthers(NANO, values.quick ? 10 : 60),
  'large-ttft': () => amongOthers(LARGE, values.quick ? 5 : 30),
  turns: secondTurns,
};
const only = values.only?.split(',') ?? Object.keys(PARTS);
for (const part of only) await PARTS[part]?.();
console.log('\n| what | measured | against | ratio | aim |\n|---|---|---|---|---|');
for (const { what, found, against, ratio, aim } of rows) {
  console.log(`| ${what} | ${found} | ${against} | ${ratio.toFixed(2)} | ${aim} |`);
}
