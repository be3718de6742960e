import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openCheckpointWeights } from '../../../src/converter/checkpoint/checkpoint-weights.ts';
import { matchTensors } from '../../../src/converter/checkpoint/match-tensors.ts';
import { readModelConfig } from '../../../src/converter/config/model-config.ts';
import { convertCheckpoint } from '../../../src/converter/convert-checkpoint.ts';
import { decoderGraph } from '../../../src/converter/onnx/decoder-graph.ts';
import type { GraphTarget } from '../../../src/converter/onnx/graph-target.ts';
import { DataFile } from '../../../src/converter/weights/data-file.ts';
import { WeightStore } from '../../../src/converter/weights/weight-store.ts';
import type { Manifest, Precision } from '../../../src/package/manifest.ts';
import { runDecoder, runVision } from '../../helpers/package-graphs.ts';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';
import { storedWeights } from '../../helpers/stored-weights.ts';
import {
  referenceFeatures,
  referenceLogits,
  relativeError,
} from '../../helpers/transformer-reference.ts';
import { webgpuLacks } from '../../helpers/webgpu-device.ts';

const TOKENS = Array.from({ length: 30 }, (_, i) => (i * 37 + 11) % 270);
/**
 * Fewer than 32 tokens at once: from there on ONNX Runtime 1.30's WebGPU attention takes a shader that needs subgroups
 * of 16 lanes, and computes wrong values on software drivers, which have 4 (SwiftShader) or 8 (lavapipe).
 */
const RUN = { tokens: TOKENS, prefix: 25 };

/** Half precision keeps 11 bits: 5e-4 a rounding, of which a layer has about ten in a row. */
const HALF_TOLERANCE = 1e-2;

function setUp(test: TestContext) {
  const dir = scratchDir(test);
  const checkpoint = writeRandomCheckpoint(join(dir, 'in'), {
    text: { tied: false, headDim: 32 },
    vision: { intermediateSize: 40, numHeads: 4 },
    dtype: 'BF16',
  });
  return { dir, checkpoint };
}

async function convert(
  { dir, checkpoint }: ReturnType<typeof setUp>,
  precision: Precision,
  gpu?: boolean,
): Promise<{ outDir: string; manifest: Manifest }> {
  const outDir = join(dir, `${precision}-${gpu}`);
  const options = { checkpointDir: checkpoint.dir, outDir, precision, gpu, name: 'x' };
  return { outDir, manifest: await convertCheckpoint(options) };
}

/** Writes a decoder of any target, weights as the checkpoint's or rounded to half precision. */
async function writeDecoder(
  dir: string,
  checkpoint: RandomCheckpoint,
  { form, target }: { form: Precision; target: GraphTarget },
): Promise<string> {
  const config = await readModelConfig(checkpoint.dir);
  const source = await openCheckpointWeights(checkpoint.dir);
  const tensors = await matchTensors(config, source.tensors);
  const data = new DataFile('target.data');
  const weights = new WeightStore({
    ...{ tensors, file: data, blockSize: 32, onError: () => {}, measure: false },
  });
  const graph = decoderGraph({ weights, form, text: config.text, target });
  await data.write(dir, {});
  await source.close();
  writeFileSync(join(dir, 'target.onnx'), graph.encode('test'));
  return 'target.onnx';
}

function meanError(found: readonly Float32Array[], expected: readonly ArrayLike<number>[]): number {
  assert.equal(found.length, expected.length);
  const errors = found.map((row, i) => relativeError(row, expected[i]!));
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

describe('the graphs for GPUs', () => {
  for (const precision of ['fp16', 'int8', 'int4'] as const) {
    it(`read the same ${precision} weights and add few of their own`, async (test) => {
      const context = setUp(test);
      const { manifest } = await convert(context, precision);
      const { manifest: without } = await convert(context, precision, false);
      const { embed } = manifest.graphs;
      assert.deepEqual(manifest.gpu, {
        vision: 'vision.gpu.onnx',
        embed,
        decoder: 'decoder.gpu.onnx',
      });
      assert.equal(without.gpu, undefined);
      const extra = manifest.files.filter(({ path }) => path.includes('.gpu.'));
      assert.deepEqual(
        manifest.files.filter((file) => !extra.includes(file)),
        without.files,
      );
      const size = (files: Manifest['files'], name: RegExp): number =>
        files.filter(({ path }) => name.test(path)).reduce((sum, { bytes }) => sum + bytes, 0);
      const share = size(extra, /data$/) / size(without.files, /data$/);
      assert.ok(share > 0 && share < 0.25, `${share} of the weights' size`);
    });
  }

  it('are not written for float32, whose graphs run on a GPU as they are', async (test) => {
    const { manifest } = await convert(setUp(test), 'fp32');
    assert.equal(manifest.gpu, undefined);
    assert.ok(!manifest.files.some(({ path }) => path.includes('gpu')));
  });

  for (const stream of ['float32', 'float16'] as const) {
    it(`compute a plain forward in half precision, the stream in ${stream}`, async (test) => {
      const { dir, checkpoint } = setUp(test);
      // CPU kernels take no norms in the attention, so here those are nodes of their own.
      const target = { activations: 'float16', stream, headNorms: 'separate' } as const;
      const file = await writeDecoder(dir, checkpoint, { form: 'fp16', target });
      await convert({ dir, checkpoint }, 'fp16');
      const found = await runDecoder(dir, {
        ...{ ...RUN, checkpoint, file, cache: 'float16' },
        embed: join('fp16-undefined', 'embed.onnx'),
      });
      const expected = referenceLogits(checkpoint.weights, checkpoint.text, TOKENS);
      const error = meanError(found, expected);
      assert.ok(error > 1e-5 && error < HALF_TOLERANCE, `mean relative error ${error}`);
    });
  }

  it('leave the norms of q and k to the attention, which CPUs reject by name', async (test) => {
    const { checkpoint, ...context } = setUp(test);
    const { outDir } = await convert({ checkpoint, ...context }, 'fp16');
    await assert.rejects(
      runDecoder(outDir, { ...RUN, checkpoint, file: 'decoder.gpu.onnx', cache: 'float16' }),
      /q_norm_weight/,
    );
  });
});

describe('the graphs for GPUs, on one', async () => {
  const skip = await webgpuLacks('float16');
  const kinds = (['fp16', 'int8', 'int4'] as const).flatMap((precision) =>
    (['float32', 'float16'] as const).map((stream) => [precision, stream] as const),
  );
  for (const [precision, gpuStream] of kinds) {
    it(`compute a plain forward in ${precision}, the stream in ${gpuStream}`, {
      skip,
    }, async (test) => {
      const { dir, checkpoint } = setUp(test);
      const outDir = join(dir, 'out');
      const checkpointDir = checkpoint.dir;
      await convertCheckpoint({ checkpointDir, outDir, precision, gpuStream });
      const weights = storedWeights(checkpoint, precision);
      const logits = await runDecoder(outDir, {
        ...{ ...RUN, checkpoint, file: 'decoder.gpu.onnx', cache: 'float16' },
        provider: 'webgpu',
      });
      const error = meanError(logits, referenceLogits(weights, checkpoint.text, TOKENS));
      assert.ok(error > 1e-5 && error < HALF_TOLERANCE, `mean relative error ${error}`);

      const vision = checkpoint.vision!;
      const side = vision.imageSize;
      const tiles = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 7919) % 256);
      const image = { file: 'vision.gpu.onnx', checkpoint, tiles, provider: 'webgpu' } as const;
      const features = await runVision(outDir, image);
      const expected = referenceFeatures(weights, vision, tiles).flat();
      assert.ok(relativeError(features, expected) < HALF_TOLERANCE);
    });
  }
});

describe('attention that norms q and k itself, in float32', async () => {
  const skip = await webgpuLacks('float32');
  it('computes a plain forward', { skip }, async (test) => {
    const { dir, checkpoint } = setUp(test);
    const target = { activations: 'float32', stream: 'float32', headNorms: 'fused' } as const;
    const file = await writeDecoder(dir, checkpoint, { form: 'fp32', target });
    await convert({ dir, checkpoint }, 'fp32');
    const found = await runDecoder(dir, {
      ...{ ...RUN, checkpoint, file, cache: 'float32', provider: 'webgpu' },
      embed: join('fp32-undefined', 'embed.onnx'),
    });
    const error = meanError(found, referenceLogits(checkpoint.weights, checkpoint.text, TOKENS));
    assert.ok(error < 1e-5, `mean relative error ${error}`);
  });
});
