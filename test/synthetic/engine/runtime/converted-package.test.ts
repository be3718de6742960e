import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { convertCheckpoint } from '../../../../src/converter/convert-checkpoint.ts';
import type { ModelRunner, TiledImage } from '../../../../src/engine/model-runner.ts';
import { openModelRunner } from '../../../../src/engine/runtime/onnx-model-runner.ts';
import { countImageTokens } from '../../../../src/package/anyres-geometry.ts';
import { type Manifest, PRECISIONS } from '../../../../src/package/manifest.ts';
import { Random } from '../../../helpers/random.ts';
import { writeRandomCheckpoint } from '../../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../../helpers/scratch-dir.ts';
import { openTestBackend, TEST_BACKENDS } from '../../../helpers/test-backends.ts';

/** The first is compared with the second. */
const BACKENDS = TEST_BACKENDS.includes('ffi')
  ? TEST_BACKENDS
  : (['ffi', ...TEST_BACKENDS] as const);
/** The CPU's quantised linears round activations; a device's do not. */
const AGREEMENT = TEST_BACKENDS.includes('ffi')
  ? { fp32: 1e-5, fp16: 1e-5, int8: 1e-5, int4: 1e-5 }
  : { fp32: 1e-5, fp16: 1e-2, int8: 5e-2, int4: 5e-2 };
const CHUNKINGS: readonly (readonly number[])[] = [[], [1], [7, 20]];

for (const precision of PRECISIONS) {
  test(`a converted ${precision} package runs the same on ${BACKENDS.join(' and ')}, however it is cut`, async (t) => {
    const dir = scratchDir(t);
    const checkpointDir = join(dir, 'checkpoint');
    const packageDir = join(dir, 'package');
    writeRandomCheckpoint(checkpointDir, { vision: {}, text: { tied: precision !== 'int8' } });
    const manifest = await convertCheckpoint({ checkpointDir, outDir: packageDir, precision });

    const runs = [];
    for (const name of BACKENDS) {
      const backend = await openTestBackend(name);
      if (precision === 'fp16' && backend.device?.hasFloat16 === false) {
        t.skip(`${name} does not compute in float16 here`);
        return;
      }
      const runner = await openModelRunner({
        packageDir,
        manifest,
        backend,
        numThreads: 2,
        numSlots: 3,
        slotCapacity: 128,
      });
      runs.push(await play(runner, manifest));
      await runner.dispose();
    }
    const [ffi, other] = runs;
    for (const [index, row] of ffi!.entries())
      assertClose(row, other![index]!, AGREEMENT[precision]);
    // The three slots got the same prompt in different pieces. Quantised linears round activations too, so a value
    // between two steps may round either way.
    const tolerance = precision === 'fp32' || precision === 'fp16' ? 1e-4 : 1e-2;
    assertClose(ffi![1]!, ffi![0]!, tolerance);
    assertClose(ffi![2]!, ffi![0]!, tolerance);
    assert.ok(new Set(ffi![0]).size > 1, 'the logits differ from one another');
  });
}

/** Prefills an image and text in three slots, cut differently, then decodes all three. @returns all logits in order */
async function play(runner: ModelRunner, manifest: Manifest): Promise<Float32Array[]> {
  const random = new Random(21);
  const { hiddenSize, vocabSize } = manifest.text;
  const image = makeImage(manifest, random);
  const features = await runner.encodeTiles(image, 0, image.numTiles);
  const packed = runner.packFeatures(image, features);
  const before = random.ints(5, vocabSize);
  const after = random.ints(9, vocabSize);
  const tokenIds = Int32Array.from([...before, ...new Int32Array(image.numTokens), ...after]);
  const imageEnd = before.length + image.numTokens;

  const logits: Float32Array[] = [features, packed];
  for (const [slot, cuts] of CHUNKINGS.entries()) {
    let start = 0;
    for (const end of [...cuts, tokenIds.length]) {
      const first = Math.max(start, before.length);
      const last = Math.min(end, imageEnd);
      const rows = packed.subarray(
        (first - before.length) * hiddenSize,
        (last - before.length) * hiddenSize,
      );
      const result = await runner.prefill({
        slot,
        start,
        tokenIds: tokenIds.subarray(start, end),
        features: first < last ? [{ offset: first - start, rows }] : [],
        needsLogits: end === tokenIds.length,
      });
      if (result !== undefined) logits.push(result.slice());
      start = end;
    }
  }
  for (let step = 0; step < 5; step += 1) {
    const rows = [2, 0, 1].map((slot) => {
      return { slot, position: tokenIds.length + step, tokenId: random.below(vocabSize) };
    });
    // Every other step omits a slot.
    const result = await runner.decode(step % 2 === 0 ? rows : rows.slice(0, 2));
    if (step % 2 === 1) {
      const [, , skipped] = rows;
      await runner.decode([skipped!]);
    }
    logits.push(...result.map((row) => row.slice()));
  }
  return [...logits.slice(2), ...logits.slice(0, 2)];
}

function makeImage(manifest: Manifest, random: Random): TiledImage {
  const { tileSize, patchesPerSide } = manifest.vision!;
  const geometry = { gridRows: 1, gridColumns: 2, originalHeight: 40, originalWidth: 65 };
  const numTiles = 3;
  return {
    ...geometry,
    hash: 'test',
    tiles: Uint8Array.from(random.ints(numTiles * tileSize * tileSize * 3, 256)),
    numTiles,
    numTokens: countImageTokens({ ...geometry, patchesPerSide }),
  };
}

function assertClose(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  let difference = 0;
  let norm = 0;
  for (const [index, value] of expected.entries()) {
    difference += (actual[index]! - value) ** 2;
    norm += value ** 2;
  }
  const relative = Math.sqrt(difference / norm);
  assert.ok(relative <= tolerance, `the relative difference is ${relative}`);
}
