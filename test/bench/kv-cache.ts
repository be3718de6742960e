/**
 * Measures the time that an int8 KV cache saves or costs:
 *
 *   node dist/test/bench/kv-cache.js PACKAGE [--threads 2] [--contexts 256,1000,4000] [--chunk 256] [--rounds 15]
 *
 * PACKAGE was prepared by `thinkgate quantize-kv`. At each context length both caches run a decode step and a prompt
 * chunk in turn. The ratios, float32 ÷ int8, are taken round by round.
 */
import { parseArgs } from 'node:util';
import { openBackend } from '../../src/engine/runtime/backend.ts';
import { openModelRunner, type PackageRunner } from '../../src/engine/runtime/onnx-model-runner.ts';
import { readPackage } from '../../src/package/read-package.ts';
import { quantile } from '../../src/reports/statistics.ts';
import { textTable } from '../../src/reports/text-table.ts';

const { values, positionals } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    contexts: { type: 'string', default: '256,1000,4000' },
    chunk: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '15' },
  },
  allowPositionals: true,
});
const [packageDir = ''] = positionals;
const contexts = values.contexts.split(',').map(Number);
const [chunk, rounds] = [Number(values.chunk), Number(values.rounds)];
const { manifest } = await readPackage(packageDir);
const { backend } = await openBackend('ffi');

async function open(kvCache: 'fp32' | 'int8'): Promise<PackageRunner> {
  const slotCapacity = Math.max(...contexts) + chunk;
  const place = { packageDir, manifest, backend, numThreads: Number(values.threads) };
  const runner = await openModelRunner({ ...place, numSlots: 1, slotCapacity, kvCache });
  // The operating system maps all unwritten pages to one, which reads faster than a real cache: write them first.
  const { feeds } = await runner.cache.sequenceSpan(0);
  for (const tensor of Object.values(feeds)) if ('data' in tensor) tensor.data.fill(1 as never);
  return runner;
}

const runners = { fp32: await open('fp32'), int8: await open('int8') };
const tokenIds = Int32Array.from({ length: chunk }, (_, i) => (i * 7) % manifest.text.vocabSize);

type Work = (runner: PackageRunner, context: number) => Promise<unknown>;

const WORK: Readonly<Record<string, Work>> = {
  'decode step': (runner, position) => runner.decode([{ slot: 0, position, tokenId: 5 }]),
  'prompt chunk': (runner, start) =>
    runner.prefill({ slot: 0, start, tokenIds, features: [], needsLogits: false }),
};

async function timed(runner: PackageRunner, context: number, work: Work): Promise<number> {
  runner.cache.lengths[0] = context;
  const started = performance.now();
  await work(runner, context);
  return performance.now() - started;
}

const table = [['', 'context', 'fp32 ms', 'int8 ms', 'fp32 ÷ int8', 'quartiles']];
for (const [name, work] of Object.entries(WORK)) {
  for (const context of contexts) {
    const times: Record<'fp32' | 'int8', number[]> = { fp32: [], int8: [] };
    const ratios: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const exact = await timed(runners.fp32, context, work);
      const int8 = await timed(runners.int8, context, work);
      if (round < 0) continue;
      times.fp32.push(exact);
      times.int8.push(int8);
      ratios.push(exact / int8);
    }
    const at = (list: number[], share: number): string =>
      quantile(
        list.sort((a, b) => a - b),
        share,
      ).toFixed(2);
    const quartiles = `${at(ratios, 0.25)} … ${at(ratios, 0.75)}`;
    table.push([
      name,
      String(context),
      at(times.fp32, 0.5),
      at(times.int8, 0.5),
      at(ratios, 0.5),
      quartiles,
    ]);
  }
}
console.log(textTable(table));
await runners.fp32.dispose();
await runners.int8.dispose();
