import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ServerProcess } from '../helpers/server-process.ts';

/**
 * What observing costs: tokens per second of the shipped model, or another, at 8 streams with the request log, the ledger, traces and
 * a scrape of /metrics every second, over those of a server that has none of it. Rounds of both are taken in turns.
 *
 *   node dist/test/bench/observing-cost.js --rounds 60 --requests 10
 *   node dist/test/bench/observing-cost.js --rounds 6 --requests 1 --package QWEN_PACKAGE
 *
 * The log is read and the traces are taken by this process, on the same machine: that is in the figure too.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    streams: { type: 'string', default: '8' },
    requests: { type: 'string', default: '6' },
    tokens: { type: 'string', default: '128' },
    package: { type: 'string', default: 'models/nano' },
  },
});
const streams = Number(values.streams);
const requests = Number(values.requests);

const collector = createServer((request, response) => {
  request.resume().once('end', () => response.end('{}'));
}).listen(0, '127.0.0.1');
await once(collector, 'listening');
const { port } = collector.address() as AddressInfo;
const ledger = await mkdtemp(path.join(tmpdir(), 'thinkgate-bench-'));

const flags = [
  ...['--max-num-seqs', values.streams, '--served-model-name', 'model'],
  ...['--max-model-len', '1024'],
];
const plain = await ServerProcess.start([...flags, '--log-level', 'silent'], values.package);
const observed = await ServerProcess.start(
  [
    ...flags,
    ...[
      '--log-level',
      'info',
      '--ledger',
      ledger,
      '--otlp-traces-endpoint',
      `http://127.0.0.1:${port}`,
    ],
  ],
  values.package,
);
const scrape = setInterval(() => {
  void fetch(`${observed.url}/metrics`).then((response) => response.text());
}, 1000);

async function complete(url: string): Promise<number> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'model',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: Number(values.tokens),
      min_tokens: Number(values.tokens),
      thinking_mode: 'fast',
      messages: [{ role: 'user', content: 'What is 23 + 48?' }],
    }),
  });
  const text = await response.text();
  const [, tokens] = /"completion_tokens":(\d+)/.exec(text) ?? [];
  if (tokens === undefined) throw new Error(text);
  return Number(tokens);
}

/** Tokens per second over a round in which every stream asks one request after the other. */
async function rate({ url }: ServerProcess): Promise<number> {
  const started = performance.now();
  const stream = async (): Promise<number> => {
    let tokens = 0;
    for (let count = 0; count < requests; count++) tokens += await complete(url);
    return tokens;
  };
  const all = await Promise.all(Array.from({ length: streams }, stream));
  return (1000 * all.reduce((sum, tokens) => sum + tokens, 0)) / (performance.now() - started);
}

const pairs: { plain: number; observed: number }[] = [];
for (let round = 0; round <= Number(values.rounds); round++) {
  // Each comes first as often as the other; the first round warms up.
  const first = round % 2 === 0 ? plain : observed;
  const rates = new Map([[first, await rate(first)]]);
  const second = first === plain ? observed : plain;
  rates.set(second, await rate(second));
  const pair = { plain: rates.get(plain) ?? 0, observed: rates.get(observed) ?? 0 };
  if (round > 0) pairs.push(pair);
}
clearInterval(scrape);
await plain.stop();
await observed.stop();
collector.close();
await rm(ledger, { recursive: true });

function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
}

const ratios = pairs.map((pair) => pair.observed / pair.plain);
const median = (name: 'plain' | 'observed'): string =>
  quantile(
    pairs.map((pair) => pair[name]),
    0.5,
  ).toFixed(0);
console.log(`${cpus()[0]?.model}, ${availableParallelism()} threads, Node ${process.version}`);
console.log(
  `${values.package}, ${streams} streams, ${requests} requests of ${values.tokens} tokens each a round; medians of ${pairs.length} pairs`,
);
console.log(`plain ${median('plain')} tokens/s, observed ${median('observed')} tokens/s`);
console.log(
  `observed / plain: ${quantile(ratios, 0.5).toFixed(3)} (quartiles ${quantile(ratios, 0.25).toFixed(3)} to ${quantile(ratios, 0.75).toFixed(3)})`,
);
process.exit(0);
