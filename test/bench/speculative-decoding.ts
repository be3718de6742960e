/**
 * Cost and gain of speculative decoding with prompt lookup:
 * `tsc && node dist/test/bench/speculative-decoding.js [PACKAGE]`.
 *
 * First it measures the time of a step of several tokens on the package's graphs, in plain steps. Then the real engine
 * writes texts of several kinds on a simulated clock with these costs. The model is a script, so the result depends
 * neither on the package's knowledge nor on the load of the machine. Last, it measures the shipped model's own answers to
 * some held-out questions.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readPackage } from '../../src/package/read-package.ts';
import { loadTokenizer } from '../../src/server/prompt/tokenizer.ts';
import { EngineBench, requestOf, writes } from '../helpers/engine-bench.ts';
import { RuntimeEngine } from '../helpers/runtime-engine.ts';
import {
  ask,
  readHeldout,
  requestBody,
  SHIPPED_PACKAGE,
  startShipped,
} from '../helpers/shipped-server.ts';
import { median } from './paired.ts';

const CONTEXT = 256;
const MOST_TOKENS = 8;
/** Ids below this are special. */
const FIRST_ID = 512;
const LETTER = Uint8Array.of(97);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    tokens: { type: 'string', default: '800' },
    threads: { type: 'string', default: '2' },
  },
});
const packageDir = positionals[0] ?? SHIPPED_PACKAGE;
const rounds = Number(values.rounds);
const numTokens = Number(values.tokens);
const { manifest } = await readPackage(packageDir);
const { encode } = await loadTokenizer(join(packageDir, 'tokenizer.json'));
const slotCapacity = Math.min(manifest.text.maxPositions, 2_048);
const shared = {
  packageDir,
  manifest,
  numSlots: 1,
  slotCapacity,
  numThreads: Number(values.threads),
  reuse: { prefixes: false },
};

const costs = await measureSteps();
const table: Record<string, string | number>[] = [];
for (const text of await readTexts()) {
  const { drafted, accepted, took, plain } = await write(text, costs);
  table.push({
    text: text.kind,
    tokens: plain + 1,
    'drafted per 100': round2((100 * drafted) / plain),
    'accepted per 100': round2((100 * accepted) / plain),
    'tokens/s, with ÷ without': round2(plain / took),
  });
}
console.table(table);
if (packageDir === SHIPPED_PACKAGE) await measureOwnAnswers();

/** Times plain steps and steps of several tokens in turns. */
async function measureSteps(): Promise<ReadonlyMap<number, number>> {
  const { runner } = await RuntimeEngine.open(shared);
  const tokenIds = Int32Array.from({ length: CONTEXT }, (_, i) => (i * 37) % 251);
  await runner.prefill({ slot: 0, start: 0, tokenIds, features: [], needsLogits: true });
  const ratios = new Map<number, number[]>();
  for (let round = -2; round < rounds; round++) {
    const plain = await timed(() => runner.decode([{ slot: 0, position: CONTEXT, tokenId: 5 }]));
    for (let count = 2; count <= MOST_TOKENS; count++) {
      const ids = Array.from({ length: count }, (_, i) => i + 5);
      const draft = { slot: 0, position: CONTEXT, tokenIds: ids };
      const ratio = (await timed(() => runner.verify(draft))) / plain;
      if (round >= 0) ratios.set(count, [...(ratios.get(count) ?? []), ratio]);
    }
  }
  await runner.dispose();
  const costs = new Map([...ratios].map(([count, seen]) => [count, median(seen)]));
  console.table(
    [...costs].map(([count, cost]) => {
      return {
        'draft tokens': count - 1,
        'time, in plain steps': round2(cost),
        'all rejected loses': round2(cost - 1),
        'all accepted gains': round2(count - cost),
        'pays from a rate of': round2(breakEven(count, cost)),
      };
    }),
  );
  return costs;
}

/** The acceptance rate p at which 1 + p + … + p^(count-1) tokens equal `cost`. */
function breakEven(count: number, cost: number): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 30; i++) {
    const rate = (low + high) / 2;
    let yielded = 0;
    for (let power = 0; power < count; power++) yielded += rate ** power;
    if (yielded < cost) low = rate;
    else high = rate;
  }
  return low;
}

interface Text {
  readonly kind: string;
  readonly prompt: string;
  readonly answer: string;
}

async function readTexts(): Promise<Text[]> {
  const readme = await readFile('README.md', 'utf8');
  const metrics = await readFile('docker/METRICS.md', 'utf8');
  const code = await readFile('src/engine/scheduler.ts', 'utf8');
  const nano = await readFile('models/nano/README.md', 'utf8');
  const people = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Frances', 'Alan', 'Leslie'];
  const records = people.map((name, i) => ({
    name,
    age: 31 + i * 7,
    city: 'Turin',
    active: i % 3 > 0,
  }));
  const prose = readme.slice(
    readme.indexOf('thinkgate converts'),
    readme.indexOf('## Two commands'),
  );
  return [
    { kind: 'prose', prompt: 'Tell me of it.', answer: nano.slice(nano.indexOf('\n\n'), 6_000) },
    { kind: 'prose, about a text', prompt: prose, answer: summaryOf(prose) },
    { kind: 'code', prompt: 'Write a scheduler.', answer: code },
    {
      kind: 'code, edited',
      prompt: code.slice(0, 1_600),
      answer: code
        .slice(0, 1_600)
        .replaceAll('DecisionState', 'Outcome')
        .replaceAll('tiles', 'pieces'),
    },
    { kind: 'JSON', prompt: people.join(', '), answer: JSON.stringify(records, null, 1) },
    {
      kind: 'a table',
      prompt: 'All of it.',
      answer: metrics.slice(metrics.indexOf('| metric')),
    },
  ];
}

/** A summary of a text: some of its words in new sentences. */
function summaryOf(prose: string): string {
  const sentences = prose.split(/(?<=\.)\s+/);
  return sentences
    .map(
      (sentence, i) =>
        `Point ${i + 1} is about this: it ${sentence.split(' ').slice(2, 14).join(' ')}, which matters to users.`,
    )
    .join(' ');
}

interface Gain {
  readonly drafted: number;
  readonly accepted: number;
  /** Time with and without speculative decoding, in plain steps. */
  readonly took: number;
  readonly plain: number;
}

/** Writes a text with the engine. @param costs time of a step by its number of tokens */
async function write({ prompt, answer }: Text, costs: ReadonlyMap<number, number>): Promise<Gain> {
  let time = 0;
  const promptIds = encode(prompt);
  const ids = numbered([...promptIds, ...encode(answer).slice(0, numTokens)]);
  const bench = new EngineBench({
    speculates: true,
    numSlots: 1,
    slotCapacity: ids.length + MOST_TOKENS,
    prefillChunk: ids.length,
    vocabulary: { size: FIRST_ID + ids.length, tokenBytes: () => LETTER },
    now: () => time,
    onCall: (call) => {
      if (call.kind === 'decode') time += 1;
      if (call.kind === 'verify') time += costs.get(call.draft.tokenIds.length) ?? Number.NaN;
    },
  });
  const text = ids.slice(promptIds.length);
  const { thinking } = requestOf([1]);
  const request = requestOf(ids.slice(0, promptIds.length), {
    maxTokens: text.length,
    thinking: { ...thinking, requested: 'fast', source: 'request', start: 'answer-start' },
  });
  const { usage } = await bench.submit({ request, script: writes(text) });
  const { draftedTokens: drafted, acceptedTokens: accepted } = bench.engine.counts().totals;
  return { drafted, accepted, took: time, plain: usage.completionTokens - 1 };
}

/** Renumbers tokens by first occurrence: only repetition matters. */
function numbered(ids: readonly number[]): number[] {
  const numbers = new Map<number, number>();
  return ids.map((id) => {
    const number = numbers.get(id) ?? FIRST_ID + numbers.size;
    numbers.set(id, number);
    return number;
  });
}

/** Draft tokens in answers of the shipped model, over HTTP, one request at a time. */
async function measureOwnAnswers(): Promise<void> {
  const questions = (await readHeldout()).filter((_, index) => index % 9 === 0);
  const table: Record<string, string | number>[] = [];
  for (const thinking_mode of ['fast', 'think'] as const) {
    const server = await startShipped({ engine: { threads: Number(values.threads) } });
    let numTokens = 0;
    for (const question of questions) {
      const reply = await ask(server, await requestBody(question, { thinking_mode }));
      numTokens += reply.usage.completion_tokens;
    }
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const count = (name: string): number =>
      Number(new RegExp(`^thinkgate_spec_decode_num_${name}\\S* (\\S+)$`, 'm').exec(metrics)?.[1]);
    table.push({
      'own answers': thinking_mode,
      tokens: numTokens,
      'drafted per 100': round2((100 * count('draft_tokens_total')) / numTokens),
      'accepted per 100': round2((100 * count('accepted_tokens_total')) / numTokens),
    });
    await server.close();
  }
  console.table(table);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
