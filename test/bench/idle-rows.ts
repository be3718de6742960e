/**
 * Cost of idle slots between two running ones in a decode step, and of the alternatives:
 *
 *   node dist/test/bench/idle-rows.js PACKAGE [--threads 2] [--slots 8] [--held 1000]
 *
 * Two sequences run, in the first and the last slot; the others hold tokens of finished sequences. Reports medians of
 * interleaved steps, relative to two adjacent slots.
 */
import { parseArgs } from 'node:util';
import type { DecodeRow } from '../../src/engine/model-runner.ts';
import { openBackend } from '../../src/engine/runtime/backend.ts';
import { openModelRunner } from '../../src/engine/runtime/onnx-model-runner.ts';
import { readPackage } from '../../src/package/read-package.ts';

const { values, positionals } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    slots: { type: 'string', default: '8' },
    held: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '15' },
  },
  allowPositionals: true,
});
const [packageDir = 'models/nano'] = positionals;
const [numSlots, held] = [Number(values.slots), Number(values.held)];
const { manifest } = await readPackage(packageDir, { verify: false });
const { backend } = await openBackend('ffi');
const runner = await openModelRunner({
  packageDir,
  manifest,
  backend,
  numThreads: Number(values.threads),
  numSlots,
  slotCapacity: held + 64,
});

const tokens = Int32Array.from({ length: held }, (_, i) => (i * 7) % manifest.text.vocabSize);
for (let slot = 0; slot < numSlots; slot++) {
  await runner.prefill({ slot, start: 0, tokenIds: tokens, features: [], needsLogits: false });
}
const row = (slot: number): DecodeRow => ({ slot, position: held, tokenId: 5 });
const last = numSlots - 1;
const RUN_NAMES: Readonly<Record<string, () => Promise<unknown>>> = {
  'two neighbours': () => runner.decode([row(0), row(1)]),
  'one alone': () => runner.decode([row(0)]),
  'first and last slot': () => runner.decode([row(0), row(last)]),
  'all slots': () => runner.decode(Array.from({ length: numSlots }, (_, slot) => row(slot))),
};
const times = new Map<string, number[]>(Object.keys(RUN_NAMES).map((name) => [name, []]));
for (let round = -2; round < Number(values.rounds); round++) {
  for (const [name, run] of Object.entries(RUN_NAMES)) {
    const started = performance.now();
    await run();
    if (round >= 0) times.get(name)?.push(performance.now() - started);
  }
}
const median = (name: string): number =>
  (times.get(name) ?? []).toSorted((a, b) => a - b)[Math.floor(Number(values.rounds) / 2)] ?? 0;
console.log(`${packageDir}: ${numSlots} slots, ${held} tokens in each`);
for (const name of Object.keys(RUN_NAMES)) {
  const ms = median(name);
  console.log(`${name}: ${ms.toFixed(2)} ms, x ${(ms / median('two neighbours')).toFixed(2)}`);
}
await runner.dispose();
