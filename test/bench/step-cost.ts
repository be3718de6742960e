/**
 * Cost of a decode step by capacity of the KV cache: `tsc && node dist/test/bench/step-cost.js`.
 *
 * The model is small, with random weights, so that a copy of the cache dominates the time. Each step decodes one token in
 * every slot in use. A backend that writes in place takes the same time at every capacity.
 */
import type { ModelRunner } from '../../src/engine/model-runner.ts';
import { openBackend } from '../../src/engine/runtime/backend.ts';
import { openModelRunner } from '../../src/engine/runtime/onnx-model-runner.ts';
import { makeTinyModel, TINY_SHAPE, writeTinyPackage } from '../helpers/tiny-model.ts';

const CAPACITIES = [256, 4096, 65_536];
const BATCHES = [1, 4];
const WARM_UP = 20;
const STEPS = 100;
const MEBIBYTE = 2 ** 20;

const shape = {
  ...TINY_SHAPE,
  vocabSize: 512,
  hiddenSize: 256,
  numLayers: 4,
  numHeads: 4,
  numKvHeads: 1,
  headDim: 64,
  maxPositions: 65_536,
};

const tiny = await writeTinyPackage(makeTinyModel(shape), { withVision: false });
const table: Record<string, string | number>[] = [];
for (const name of ['ffi', 'node'] as const) {
  const { backend } = await openBackend(name);
  for (const slotCapacity of CAPACITIES) {
    for (const numSlots of BATCHES) {
      const rssBefore = process.memoryUsage().rss;
      const runner = await openModelRunner({
        ...tiny,
        backend,
        numThreads: 1,
        numSlots,
        slotCapacity,
      });
      const times = await timeSteps(runner);
      table.push({
        backend: name,
        capacity: slotCapacity,
        slots: numSlots,
        'cache MiB': cacheMebibytes(slotCapacity * numSlots),
        'step ms (median)': round(times[Math.floor(times.length / 2)]!),
        'step ms (p90)': round(times[Math.floor(times.length * 0.9)]!),
        'RSS MiB more': round((process.memoryUsage().rss - rssBefore) / MEBIBYTE),
      });
      await runner.dispose();
    }
  }
}
await tiny.remove();
console.table(table);

/** @returns the times of all measured steps in milliseconds, sorted */
async function timeSteps(runner: ModelRunner): Promise<number[]> {
  const times: number[] = [];
  for (let position = 0; position < WARM_UP + STEPS; position += 1) {
    const rows = Array.from({ length: runner.limits.numSlots }, (_, slot) => {
      return { slot, position, tokenId: (position * 7 + slot) % shape.vocabSize };
    });
    const start = performance.now();
    await runner.decode(rows);
    if (position >= WARM_UP) times.push(performance.now() - start);
  }
  return times.sort((left, right) => left - right);
}

function cacheMebibytes(positions: number): number {
  const floats = 2 * shape.numLayers * shape.numKvHeads * positions * shape.headDim;
  return round((floats * 4) / MEBIBYTE);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
