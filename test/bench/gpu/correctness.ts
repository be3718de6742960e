/** Compares a package on a device with the same package on the CPU. Runs as a process of its own. */
import type { ModelRunner } from '../../../src/engine/model-runner.ts';
import { argmax } from '../../../src/engine/sampling/logprobs.ts';
import type { Manifest } from '../../../src/package/manifest.ts';
import { median } from '../paired.ts';
import { type DeviceName, openRunnerOn } from './open-on.ts';
import { noiseImage, promptTokens } from './prompts.ts';
import { emit, jobArgument } from './sample.ts';

export interface CorrectnessJob {
  readonly column: string;
  /** Name of the model, added to the rows' names. */
  readonly model: string;
  readonly device: DeviceName;
  readonly packageDir: string;
  readonly threads: number;
  readonly steps: number;
}

/** The lengths differ, so that the batch is ragged. WebGPU uses another attention kernel from 32 tokens on. */
const PROMPT_LENGTHS = [5, 17, 100, 9];

interface Trace {
  /** Logits of every prompt and then of every step, sequence by sequence, float32 [vocabSize] each. */
  readonly logits: readonly Float32Array[];
  /** The input tokens of each step. */
  readonly fed: readonly (readonly number[])[];
  /** Features of one tile; empty when the model takes no images. */
  readonly features: Float32Array;
}

const job = jobArgument<CorrectnessJob>();
const { column, model } = job;
const expected = await trace('cpu');
const found = await trace(job.device, expected.fed);
const distances = expected.logits.map((logits, row) => relativeDistance(logits, found.logits[row]));
const same = expected.logits.filter(
  (logits, row) => argmax(logits) === argmax(found.logits[row] ?? logits.subarray(0, 1)),
).length;
emit({
  what: `same tokens, ${model}`,
  column,
  value: same / expected.logits.length,
  unit: 'share',
  detail: { same, of: expected.logits.length },
});
emit({
  what: `logits off, ${model}`,
  column,
  value: Math.max(...distances),
  unit: 'of the largest logit',
  detail: { median: median(distances), rows: distances },
});
if (expected.features.length > 0) {
  const value = relativeDistance(expected.features, found.features);
  emit({ what: `features off, ${model}`, column, value, unit: 'of the largest feature' });
}

/** Runs the prompts, then decode steps of all of them together: greedily, or over the tokens in `given`. */
async function trace(device: DeviceName, given?: readonly (readonly number[])[]): Promise<Trace> {
  const numSlots = PROMPT_LENGTHS.length;
  const slotCapacity = Math.max(...PROMPT_LENGTHS) + job.steps;
  const { runner, manifest } = await openRunnerOn({ ...job, device, numSlots, slotCapacity });
  const logits: Float32Array[] = [];
  for (const [slot, length] of PROMPT_LENGTHS.entries()) {
    const tokenIds = promptTokens(manifest, length, slot);
    const last = await runner.prefill({
      slot,
      start: 0,
      tokenIds,
      features: [],
      needsLogits: true,
    });
    if (last !== undefined) logits.push(last.slice());
  }
  const fed: number[][] = [];
  for (let step = 0; step < job.steps; step++) {
    const tokens = given?.[step] ?? logits.slice(-numSlots).map(argmax);
    fed.push([...tokens]);
    const rows = tokens.map((tokenId, slot) => {
      return { slot, position: (PROMPT_LENGTHS[slot] ?? 0) + step, tokenId };
    });
    for (const row of await runner.decode(rows)) logits.push(row.slice());
  }
  const features = await featuresOf(runner, manifest);
  await runner.dispose();
  return { logits, fed, features };
}

async function featuresOf(runner: ModelRunner, manifest: Manifest): Promise<Float32Array> {
  if (manifest.vision === null) return new Float32Array(0);
  return (await runner.encodeTiles(noiseImage(manifest, 2), 0, 1)).slice();
}

/** Returns the largest difference over the largest magnitude; NaN when any value is NaN. */
function relativeDistance(expected: Float32Array, found: Float32Array | undefined): number {
  let difference = 0;
  let magnitude = 0;
  for (const [index, value] of expected.entries()) {
    const off = Math.abs(value - (found?.[index] ?? Number.NaN));
    if (Number.isNaN(off)) return Number.NaN;
    difference = Math.max(difference, off);
    magnitude = Math.max(magnitude, Math.abs(value));
  }
  return difference / magnitude;
}
