import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { convertCheckpoint } from '../../../src/converter/convert-checkpoint.ts';
import {
  dequantizeWholeRows,
  quantizeWholeRows,
} from '../../../src/converter/quantization/channel-quantizer.ts';
import { LogitComparison } from '../../../src/converter/quantization/quality/distances.ts';
import { measureQuality } from '../../../src/converter/quantization/quality/measure-quality.ts';
import { sampleTokens } from '../../../src/converter/quantization/quality/sample-text.ts';
import { openBackend } from '../../../src/engine/runtime/backend.ts';
import { runDecoder } from '../../helpers/package-graphs.ts';
import {
  type RandomCheckpoint,
  type RandomCheckpointOptions,
  writeRandomCheckpoint,
} from '../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';
import {
  referenceLogits,
  relativeError,
  type Weights,
} from '../../helpers/transformer-reference.ts';

const TOKENS = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % 270);
const GRAPH = { file: 'prefill.onnx', cache: 'float32' } as const;

async function setUp(test: TestContext, options: RandomCheckpointOptions = {}) {
  const dir = scratchDir(test);
  const checkpoint = writeRandomCheckpoint(join(dir, 'in'), { dtype: 'BF16', ...options });
  const outDir = join(dir, 'out');
  const manifest = await convertCheckpoint({
    checkpointDir: checkpoint.dir,
    outDir,
    precision: 'fp32',
    prefill: 'int8',
  });
  return { dir, checkpoint, outDir, manifest };
}

/** The weights as the prefill graph of an fp32 package computes with them. */
function stored({ weights }: RandomCheckpoint): Weights {
  return new Map(
    [...weights].map(([name, tensor]) => {
      if (!/^text.*_proj\.weight$/.test(name)) return [name, tensor];
      const columns = tensor.shape[1]!;
      const values = dequantizeWholeRows(quantizeWholeRows(tensor.values, columns), columns);
      return [name, { ...tensor, values }];
    }),
  );
}

describe('a prefill graph', () => {
  it("computes a plain forward's logits but for the rounding of activations", async (test) => {
    const { checkpoint, outDir } = await setUp(test, { text: { tied: false, numLayers: 3 } });
    const expected = referenceLogits(stored(checkpoint), checkpoint.text, TOKENS);
    const found = await runDecoder(outDir, { ...GRAPH, checkpoint, tokens: TOKENS, prefix: 25 });
    const errors = found.map((row, i) => relativeError(row, expected[i]!));
    assert.ok(Math.max(...errors) <= 0.03, `errors ${errors}`);
    assert.ok(Math.min(...errors) > 0);
  });

  it('gives the same bits for a token in any chunk', async (test) => {
    const { checkpoint, outDir } = await setUp(test, {
      edit: ({ tensors }) => {
        // What this token writes into the stream is a thousand times what others do.
        const { values, shape } = tensors.get('model.embed_tokens.weight')!;
        const [first, width] = [TOKENS.at(-1)! * shape[1]!, shape[1]!];
        for (let i = first; i < first + width; i++) values[i] = values[i]! * 1000;
      },
    });
    const options = { ...GRAPH, checkpoint, prefix: TOKENS.length };
    const quiet = TOKENS.with(-1, 3);
    const [loud, other, alone] = [
      await runDecoder(outDir, { ...options, tokens: TOKENS }),
      await runDecoder(outDir, { ...options, tokens: quiet }),
      await runDecoder(outDir, { ...options, tokens: quiet, prefix: 0 }),
    ];
    assert.deepEqual(loud.slice(0, -1), other.slice(0, -1));
    assert.notDeepEqual(loud.at(-1), other.at(-1));
    // Attention sums in another order token by token; linears do not.
    for (const [i, row] of other.entries()) assert.ok(relativeError(row, [...alone[i]!]) < 1e-2);
  });

  it('has its weights in a file of its own and shares the rest', async (test) => {
    const { dir, checkpoint, outDir, manifest } = await setUp(test);
    const plainDir = join(dir, 'plain');
    const plain = await convertCheckpoint({
      checkpointDir: checkpoint.dir,
      outDir: plainDir,
      precision: 'fp32',
    });
    assert.deepEqual(manifest.prefill, { decoder: 'prefill.onnx' });
    assert.equal(plain.prefill, undefined);
    const added = manifest.files.filter(({ path }) => !plain.files.some((f) => f.path === path));
    assert.deepEqual(added.map(({ path }) => path).sort(), ['prefill.data', 'prefill.onnx']);
    assert.deepEqual(
      readFileSync(join(outDir, 'text.data')),
      readFileSync(join(plainDir, 'text.data')),
    );
    const linears = [...checkpoint.weights].filter(([name]) => /^text.*_proj/.test(name));
    const numWeights = linears.reduce((sum, [, { values }]) => sum + values.length, 0);
    const { bytes } = manifest.files.find(({ path }) => path === 'prefill.data')!;
    assert.ok(bytes >= numWeights && bytes < 1.3 * numWeights, `${bytes} for ${numWeights}`);
  });

  it('has the same error in the quality report as in a package', async (test) => {
    const { dir, checkpoint, outDir } = await setUp(test, { text: { maxPositions: 128 } });
    const tokens = (await sampleTokens(checkpoint.dir)).slice(0, 60);
    const run = (file: string) =>
      runDecoder(outDir, { ...GRAPH, file, checkpoint, tokens, prefix: tokens.length });
    const [exact, quantized] = [await run('decoder.onnx'), await run('prefill.onnx')];
    const comparison = new LogitComparison(1);
    for (const [i, row] of exact.entries()) comparison.add(row, quantized[i]!);
    const { relative } = comparison.result();
    const { backend } = await openBackend('node');
    const { logits, layers } = await measureQuality({
      ...{ checkpointDir: checkpoint.dir, precision: 'fp32', int8Linears: true },
      ...{ backend, scratchParent: dir, numThreads: 1 },
    });
    // The report's probe is longer by half.
    assert.ok(Math.abs(logits.relative / relative - 1) < 0.25, `${logits.relative}, ${relative}`);
    assert.ok(layers.every(({ isolated }) => isolated > 0 && isolated < 0.05));
  });
});
