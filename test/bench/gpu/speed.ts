/** Measures one package on one device: decoding, prompts, images. Runs as a process of its own. */
import { join } from 'node:path';
import { argmax } from '../../../src/engine/sampling/logprobs.ts';
import { median } from '../paired.ts';
import { engineRate } from './engine-rate.ts';
import { openRunnerOn, type RunnerJob } from './open-on.ts';
import { noiseImage, promptTokens, tokenAt } from './prompts.ts';
import { emit, jobArgument } from './sample.ts';
import { weightBytes } from './weight-bytes.ts';

export interface SpeedJob extends RunnerJob {
  readonly column: string;
  readonly batches: readonly number[];
  /** Length of every sequence before the first step. */
  readonly contextTokens: number;
  readonly steps: number;
  readonly promptLength: number;
  readonly promptChunks: readonly number[];
  readonly rounds: number;
}

const WARM_UP_STEPS = 4;
/** AnyRes tiles of a 640x480 image: the base and a grid of two by two. */
const TILES = 5;

const job = jobArgument<SpeedJob>();
const { column, rounds } = job;
const opening = performance.now();
const { runner, manifest, decoderFile } = await openRunnerOn(job);
emit({ what: 'load', column, value: (performance.now() - opening) / 1000, unit: 's' });
await describeWeights();
for (const batch of job.batches) await timeDecoding(batch);
for (const chunk of job.promptChunks) await timePrompt(chunk);
await timeImages();
for (const batch of job.batches) {
  const rate = await engineRate(runner, { manifest, batch, steps: job.steps });
  emit({ what: `engine@${batch}`, column, value: rate, unit: 'tokens/s' });
}
await runner.dispose();

async function describeWeights(): Promise<void> {
  const bytes = await weightBytes(join(job.packageDir, decoderFile));
  emit({ what: 'weights', column, value: bytes, unit: 'bytes a step' });
  const position = job.contextTokens + WARM_UP_STEPS + job.steps / 2;
  const { numLayers, numKvHeads, headDim } = manifest.text;
  const elementBytes = decoderFile === manifest.graphs.decoder ? 4 : 2;
  const perPosition = 2 * numLayers * numKvHeads * headDim * elementBytes;
  emit({ what: 'kv', column, value: perPosition * position, unit: 'bytes a sequence and step' });
}

/** Times steps that ignore the logits, then steps that choose the likeliest token of each row, as greedy serving does. */
async function timeDecoding(batch: number): Promise<void> {
  await fillSlots(batch);
  let position = job.contextTokens;
  const step = async (tokens: readonly number[]): Promise<readonly Float32Array[]> => {
    const rows = tokens.map((tokenId, slot) => ({ slot, position, tokenId }));
    position += 1;
    return runner.decode(rows);
  };
  const given = (): number[] =>
    Array.from({ length: batch }, (_, slot) => tokenAt(manifest, position, slot));
  for (let i = 0; i < WARM_UP_STEPS; i++) await step(given());
  const plain: number[] = [];
  for (let i = 0; i < job.steps; i++) plain.push(await timed(() => step(given())));
  report('decode', batch, plain);
  let tokens = given();
  const greedy: number[] = [];
  for (let i = 0; i < job.steps; i++) {
    greedy.push(
      await timed(async () => {
        tokens = (await step(tokens)).map(argmax);
      }),
    );
  }
  report('greedy', batch, greedy);
}

function report(what: string, batch: number, times: readonly number[]): void {
  const ms = median(times);
  emit({
    what: `${what}@${batch}`,
    column,
    value: (1000 * batch) / ms,
    unit: 'tokens/s',
    detail: { medianMs: ms, leastMs: Math.min(...times), mostMs: Math.max(...times) },
  });
}

/** Prefills one prompt and copies it to the other slots. */
async function fillSlots(batch: number): Promise<void> {
  const tokenIds = promptTokens(manifest, job.contextTokens);
  await runner.prefill({ slot: 0, start: 0, tokenIds, features: [], needsLogits: false });
  for (let toSlot = 1; toSlot < batch; toSlot++)
    await runner.copyPrefix({ fromSlot: 0, toSlot, numTokens: job.contextTokens });
}

async function timePrompt(chunk: number): Promise<void> {
  const { promptLength } = job;
  const times: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const tokenIds = promptTokens(manifest, promptLength, round + 1);
    const ms = await timed(() => prefillInChunks(tokenIds, chunk));
    if (round >= 0) times.push(ms);
  }
  const rate = (1000 * promptLength) / median(times);
  const detail = { promptLength, rounds };
  emit({ what: `prefill@${chunk}`, column, value: rate, unit: 'tokens/s', detail });
}

async function prefillInChunks(tokenIds: Int32Array, chunk: number): Promise<void> {
  for (let start = 0; start < tokenIds.length; start += chunk) {
    const part = tokenIds.subarray(start, start + chunk);
    const needsLogits = start + chunk >= tokenIds.length;
    await runner.prefill({ slot: 0, start, tokenIds: part, features: [], needsLogits });
  }
}

async function timeImages(): Promise<void> {
  if (manifest.vision === null) return;
  const image = noiseImage(manifest, TILES);
  const times: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const ms = await timed(() => runner.encodeTiles(image, 0, TILES));
    if (round >= 0) times.push(ms);
  }
  const detail = { tiles: TILES, rounds };
  emit({ what: 'images', column, value: 1000 / median(times), unit: 'a second', detail });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
