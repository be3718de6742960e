import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { convertCheckpoint } from '../../../src/converter/convert-checkpoint.ts';
import type { Precision } from '../../../src/package/manifest.ts';
import { runDecoder, runEmbedding, runVision } from '../../helpers/package-graphs.ts';
import { writeRandomCheckpoint } from '../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';
import { storedWeights } from '../../helpers/stored-weights.ts';
import {
  referenceFeatures,
  referenceLogits,
  relativeError,
} from '../../helpers/transformer-reference.ts';

const TOKENS = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % 270);

/**
 * Integer kernels also round the activations to 8 bits, and that is all the tolerance is for: with float activations
 * (accuracy level 1) the same packages stay within 1e-5.
 */
const TOLERANCE: Readonly<Record<Precision, number>> = {
  fp32: 1e-5,
  fp16: 1e-5,
  int8: 0.03,
  int4: 0.03,
};

const SHAPES = [
  { name: 'tied, two heads per kv head', options: {} },
  {
    name: 'untied, one kv head, head dimension apart from hidden size',
    options: { text: { tied: false, numKvHeads: 1, headDim: 32, numLayers: 3, ropeTheta: 1e6 } },
  },
] as const;

describe('a converted decoder', () => {
  for (const precision of ['fp32', 'fp16', 'int8', 'int4'] as const) {
    for (const { name, options } of SHAPES) {
      it(`computes a plain forward's logits in ${precision} (${name})`, async (test) => {
        const dir = scratchDir(test);
        const checkpoint = writeRandomCheckpoint(join(dir, 'in'), { ...options, dtype: 'BF16' });
        const outDir = join(dir, 'out');
        await convertCheckpoint({ checkpointDir: checkpoint.dir, outDir, precision });
        const expected = referenceLogits(
          storedWeights(checkpoint, precision),
          checkpoint.text,
          TOKENS,
        );
        const found = await runDecoder(outDir, {
          ...{ file: 'decoder.onnx', cache: 'float32', checkpoint },
          ...{ tokens: TOKENS, prefix: 25 },
        });
        assert.equal(found.length, TOKENS.length);
        const errors = found.map((row, i) => relativeError(row, expected[i]!));
        const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
        assert.ok(mean <= TOLERANCE[precision], `mean relative error ${mean}`);
        assert.ok(Math.max(...errors) <= 3 * TOLERANCE[precision], `errors ${errors}`);
      });
    }
  }
});

describe('a decoder in larger blocks', () => {
  for (const blockSize of [64, 128] as const) {
    for (const precision of ['int4', 'int8'] as const) {
      it(`computes a plain forward's logits in ${precision} with ${blockSize}`, async (test) => {
        const dir = scratchDir(test);
        // A hidden size of one block, an inner size that is no whole number of them.
        const text = { hiddenSize: 128, intermediateSize: 160, tied: blockSize === 128 };
        const checkpoint = writeRandomCheckpoint(join(dir, 'in'), { text, dtype: 'BF16' });
        const outDir = join(dir, 'out');
        const options = { checkpointDir: checkpoint.dir, outDir, precision, blockSize };
        const manifest = await convertCheckpoint(options);
        assert.equal(manifest.blockSize, blockSize);
        const weights = storedWeights(checkpoint, precision, blockSize);
        const expected = referenceLogits(weights, checkpoint.text, TOKENS);
        const found = await runDecoder(outDir, {
          ...{ file: 'decoder.onnx', cache: 'float32', checkpoint },
          ...{ tokens: TOKENS, prefix: 25 },
        });
        const errors = found.map((row, i) => relativeError(row, expected[i]!));
        assert.ok(Math.max(...errors) <= 3 * TOLERANCE[precision], `errors ${errors}`);
      });
    }
  }

  it('is rejected where weights have no blocks', async (test) => {
    const dir = scratchDir(test);
    const { dir: checkpointDir } = writeRandomCheckpoint(join(dir, 'in'));
    await assert.rejects(
      convertCheckpoint({
        ...{ checkpointDir, outDir: join(dir, 'out') },
        ...{ precision: 'fp16', blockSize: 64 },
      }),
      /--block-size 64: fp16 weights have no blocks\./,
    );
  });
});

describe('a converted vision tower', () => {
  for (const precision of ['fp32', 'fp16', 'int8', 'int4'] as const) {
    it(`computes a plain forward's features in ${precision}`, async (test) => {
      const dir = scratchDir(test);
      // An inner size that is no whole number of blocks, as in SigLIP So400m (4304).
      const vision = { intermediateSize: 40, numHeads: 4, numLayers: 3 };
      const checkpoint = writeRandomCheckpoint(join(dir, 'in'), { vision, dtype: 'BF16' });
      const outDir = join(dir, 'out');
      await convertCheckpoint({ checkpointDir: checkpoint.dir, outDir, precision });
      const side = checkpoint.vision!.imageSize;
      const tiles = Uint8Array.from({ length: 2 * side * side * 3 }, (_, i) => (i * 7919) % 256);
      const weights = storedWeights(checkpoint, precision);
      const expected = [0, 1].flatMap((tile) => {
        const size = side * side * 3;
        const pixels = tiles.subarray(tile * size, (tile + 1) * size);
        return referenceFeatures(weights, checkpoint.vision!, pixels).flat();
      });
      const error = relativeError(
        await runVision(outDir, { file: 'vision.onnx', checkpoint, tiles }),
        expected,
      );
      assert.ok(error <= TOLERANCE[precision], `relative error ${error}`);
    });
  }

  it('takes the features of an earlier layer when vision_feature_layer says so', async (test) => {
    const dir = scratchDir(test);
    const checkpoint = writeRandomCheckpoint(join(dir, 'in'), {
      vision: { numLayers: 3 },
      edit: ({ config }) => {
        config['vision_feature_layer'] = -2;
      },
    });
    const outDir = join(dir, 'out');
    const manifest = await convertCheckpoint({
      checkpointDir: checkpoint.dir,
      outDir,
      precision: 'fp32',
    });
    assert.equal(manifest.vision?.numLayers, 2);
    const side = checkpoint.vision!.imageSize;
    const tile = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 131) % 256);
    const expected = referenceFeatures(
      checkpoint.weights,
      { ...checkpoint.vision!, numLayers: 2 },
      tile,
    );
    const features = await runVision(outDir, { file: 'vision.onnx', checkpoint, tiles: tile });
    const error = relativeError(features, expected.flat());
    assert.ok(error <= 1e-5, `relative error ${error}`);
  });
});

describe('a quantised embedding', () => {
  for (const precision of ['int8', 'int4'] as const) {
    it(`reads the tied head's bytes in ${precision}`, async (test) => {
      const dir = scratchDir(test);
      const checkpoint = writeRandomCheckpoint(join(dir, 'in'));
      const outDir = join(dir, 'out');
      await convertCheckpoint({ checkpointDir: checkpoint.dir, outDir, precision });
      const { hiddenSize } = checkpoint.text;
      const tokens = [0, 7, 200];
      const found = await runEmbedding(outDir, { file: 'embed.onnx', tokens, hiddenSize });
      const table = storedWeights(checkpoint, precision).get('text.embed_tokens.weight')!.values;
      const expected = tokens.flatMap((id) => [
        ...table.subarray(id * hiddenSize, (id + 1) * hiddenSize),
      ]);
      assert.ok(relativeError(found, expected) < 1e-6);
    });
  }
});
