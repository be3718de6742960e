/**
 * What a second turn on the same image costs: `tsc && node dist/test/bench/prefix-reuse.js [package]`.
 *
 * Without a package it converts a random checkpoint of a few million parameters to int8. Each round asks a first
 * question about an image nobody has seen and a second one in the same conversation, with reuse and without, in turns;
 * medians of all rounds. The time to the first token is the engine's own, from the submission on.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertCheckpoint } from '../../src/converter/convert-checkpoint.ts';
import type { TiledImage } from '../../src/engine/model-runner.ts';
import { countImageTokens } from '../../src/package/anyres-geometry.ts';
import { readPackage } from '../../src/package/read-package.ts';
import { Random } from '../helpers/random.ts';
import { writeRandomCheckpoint } from '../helpers/random-checkpoint.ts';
import { answerRequest, RuntimeEngine } from '../helpers/runtime-engine.ts';
import { median } from './paired.ts';

const ROUNDS = 15;
const WARM_UP = 3;
const QUESTION_TOKENS = 24;
const ANSWER_TOKENS = 16;
const NUM_SLOTS = 4;
const MEBIBYTE = 2 ** 20;

const scratch = await mkdtemp(join(tmpdir(), 'thinkgate-bench-'));
const packageDir = process.argv[2] ?? (await convertRandomCheckpoint());
const { manifest } = await readPackage(packageDir);
const { vision, text, tokens } = manifest;
if (vision === null) throw new Error(`${packageDir} takes no images.`);
const { tileSize, patchesPerSide } = vision;
const random = new Random(3);
const numThreads = availableParallelism();
const slotCapacity = Math.min(text.maxPositions, 4096);

const settings = { packageDir, manifest, numSlots: NUM_SLOTS, slotCapacity, numThreads };
const reusing = await RuntimeEngine.open({ ...settings, reuse: { featureBytes: 256 * MEBIBYTE } });
const computing = await RuntimeEngine.open({
  ...settings,
  reuse: { prefixes: false, featureBytes: 0 },
});

const times = { first: [] as number[], second: [] as number[], cold: [] as number[] };
let promptTokens = [0, 0];
let cachedTokens = 0;
for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
  const image = newImage(`image ${round}`);
  const first = [...words(4), ...rowsOf(image), ...words(QUESTION_TOKENS)];
  const one = await ask(reusing, first, image);
  const turn = [...first, ...one.tokenIds, ...words(QUESTION_TOKENS)];
  const two = await ask(reusing, turn, image);
  const alone = await ask(computing, turn, image);
  if (two.tokenIds.join() !== alone.tokenIds.join()) throw new Error('The answers differ.');
  promptTokens = [first.length, turn.length];
  cachedTokens = two.finish.usage.cachedTokens;
  if (round < WARM_UP) continue;
  times.first.push(one.finish.timing.firstTokenMs ?? Number.NaN);
  times.second.push(two.finish.timing.firstTokenMs ?? Number.NaN);
  times.cold.push(alone.finish.timing.firstTokenMs ?? Number.NaN);
}
await Promise.all([reusing.runner.dispose(), computing.runner.dispose()]);
await rm(scratch, { recursive: true });

console.log(
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${numThreads} threads; ${manifest.name} ${manifest.precision}, ` +
    `${text.numLayers} layers of ${text.hiddenSize}; ${NUM_SLOTS} slots of ${slotCapacity}; ` +
    `${promptTokens.join(' and ')} prompt tokens, ${cachedTokens} of the second reused; ${ROUNDS} rounds`,
);
console.table([
  { turn: 'first', 'time to first token ms (median)': round2(median(times.first)) },
  { turn: 'second, reused', 'time to first token ms (median)': round2(median(times.second)) },
  { turn: 'second, computed', 'time to first token ms (median)': round2(median(times.cold)) },
]);
console.log(`second ÷ first: ${(median(times.second) / median(times.first)).toFixed(3)}`);

function ask(
  bench: RuntimeEngine,
  prompt: readonly number[],
  image: TiledImage,
): ReturnType<RuntimeEngine['run']> {
  return bench.run(answerRequest(prompt, { images: [image], maxTokens: ANSWER_TOKENS }));
}

async function convertRandomCheckpoint(): Promise<string> {
  const checkpointDir = join(scratch, 'checkpoint');
  const outDir = join(scratch, 'package');
  writeRandomCheckpoint(checkpointDir, {
    text: {
      hiddenSize: 384,
      intermediateSize: 1024,
      numLayers: 8,
      numHeads: 6,
      numKvHeads: 2,
      headDim: 64,
      maxPositions: 4096,
    },
    vision: {
      hiddenSize: 384,
      intermediateSize: 1024,
      numLayers: 6,
      numHeads: 6,
      imageSize: 196,
      patchSize: 14,
    },
  });
  await convertCheckpoint({ checkpointDir, outDir, precision: 'int8' });
  return outDir;
}

/** A base tile and a 2 x 2 grid of noise. */
function newImage(hash: string): TiledImage {
  const [gridRows, gridColumns] = [2, 2];
  const [originalHeight, originalWidth] = [2 * tileSize, 2 * tileSize];
  const geometry = { gridRows, gridColumns, patchesPerSide, originalHeight, originalWidth };
  const numTiles = 1 + gridRows * gridColumns;
  return {
    ...geometry,
    hash,
    tiles: Uint8Array.from(random.ints(numTiles * tileSize * tileSize * 3, 256)),
    numTiles,
    numTokens: countImageTokens(geometry),
  };
}

function rowsOf({ numTokens }: TiledImage): number[] {
  return new Array<number>(numTokens).fill(tokens.image ?? -1);
}

/** Any tokens but the placeholder, which has no place outside an image. */
function words(count: number): number[] {
  const limit = Math.min(text.vocabSize, 256);
  return Array.from({ length: count }, () => {
    const id = random.below(limit - 1);
    return id === tokens.image ? limit - 1 : id;
  });
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
