import { strict as assert } from 'node:assert';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { convertCheckpoint } from '../../../../src/converter/convert-checkpoint.ts';
import { LogitComparison } from '../../../../src/converter/quantization/quality/distances.ts';
import {
  type DecoderQuality,
  measureQuality,
} from '../../../../src/converter/quantization/quality/measure-quality.ts';
import { formatReport } from '../../../../src/converter/quantization/quality/quality-report.ts';
import { sampleTokens } from '../../../../src/converter/quantization/quality/sample-text.ts';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import type { TensorView } from '../../../../src/engine/runtime/session.ts';
import { DECODER_IO, EMBED_IO } from '../../../../src/package/graph-io.ts';
import type { Precision } from '../../../../src/package/manifest.ts';
import {
  type RandomCheckpoint,
  writeRandomCheckpoint,
} from '../../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../../helpers/scratch-dir.ts';

async function measure(
  checkpoint: RandomCheckpoint,
  scratchParent: string,
  precision: Precision,
): Promise<DecoderQuality> {
  const { backend } = await openBackend('node');
  const checkpointDir = checkpoint.dir;
  return measureQuality({ checkpointDir, precision, backend, scratchParent, numThreads: 1 });
}

function setUp(test: TestContext, tied: boolean) {
  const dir = scratchDir(test);
  const text = { tied, numLayers: 3, maxPositions: 128 };
  return { dir, checkpoint: writeRandomCheckpoint(join(dir, 'in'), { text }) };
}

/** Logits of the probe from a whole package, as the server would compute them. */
async function packageLogits(
  { checkpoint, dir }: ReturnType<typeof setUp>,
  precision: Precision,
): Promise<Float32Array> {
  const outDir = join(dir, precision);
  await convertCheckpoint({ checkpointDir: checkpoint.dir, outDir, precision });
  const { backend } = await openBackend('node');
  const { text, vocabSize } = checkpoint;
  const ids = await sampleTokens(checkpoint.dir);
  const embed = await backend.createSession(join(outDir, 'embed.onnx'), { numThreads: 1 });
  const embeddings = new Float32Array(ids.length * text.hiddenSize);
  await embed.run(
    {
      [EMBED_IO.inputIds]: {
        type: 'int64',
        dims: [ids.length],
        data: BigInt64Array.from(ids, BigInt),
      },
    },
    {
      [EMBED_IO.embeddings]: {
        type: 'float32',
        dims: [ids.length, text.hiddenSize],
        data: embeddings,
      },
    },
  );
  const decoder = await backend.createSession(join(outDir, 'decoder.onnx'), { numThreads: 1 });
  const logits = new Float32Array(ids.length * vocabSize);
  const rows = BigInt64Array.from({ length: ids.length }, (_, row) => BigInt(row));
  const feeds: Record<string, TensorView> = {
    [DECODER_IO.inputsEmbeds]: {
      type: 'float32',
      dims: [1, ids.length, text.hiddenSize],
      data: embeddings,
    },
    [DECODER_IO.seqlensK]: { type: 'int32', dims: [1], data: Int32Array.of(ids.length - 1) },
    [DECODER_IO.totalSequenceLength]: { type: 'int32', dims: [], data: Int32Array.of(ids.length) },
    [DECODER_IO.logitIndices]: { type: 'int64', dims: [ids.length], data: rows },
  };
  for (let layer = 0; layer < text.numLayers; layer++) {
    for (const name of [DECODER_IO.pastKey(layer), DECODER_IO.pastValue(layer)]) {
      const data = new Float32Array(text.numKvHeads * ids.length * text.headDim);
      feeds[name] = { type: 'float32', dims: [1, text.numKvHeads, ids.length, text.headDim], data };
    }
  }
  await decoder.run(feeds, {
    [DECODER_IO.logits]: { type: 'float32', dims: [ids.length, vocabSize], data: logits },
  });
  return logits;
}

describe('the quality report', () => {
  for (const tied of [true, false]) {
    it(`has the same error as whole packages (${tied ? 'tied' : 'untied'})`, async (test) => {
      const context = setUp(test, tied);
      const exact = await packageLogits(context, 'fp32');
      for (const precision of ['int4', 'int8', 'fp16'] as const) {
        const quantized = await packageLogits(context, precision);
        const comparison = new LogitComparison(exact.length / context.checkpoint.vocabSize);
        comparison.add(exact, quantized);
        const expected = comparison.result();
        const { logits } = await measure(context.checkpoint, context.dir, precision);
        assert.ok(
          Math.abs(logits.relative - expected.relative) < 1e-2 * expected.relative,
          precision,
        );
        assert.ok(expected.relative > 0);
      }
    });
  }

  it('has no error for fp32, and a larger one with fewer bits', async (test) => {
    const { dir, checkpoint } = setUp(test, true);
    const fp32 = await measure(checkpoint, dir, 'fp32');
    assert.ok(fp32.numTokens >= 64);
    assert.deepEqual(fp32.logits, { relative: 0, klDivergence: 0, top1Agreement: 1 });
    const reports = [];
    for (const precision of ['fp16', 'int8', 'int4'] as const) {
      reports.push(await measure(checkpoint, dir, precision));
    }
    for (const pick of [
      ({ logits }: DecoderQuality) => logits.relative,
      ({ logits }: DecoderQuality) => logits.klDivergence,
      ({ layers }: DecoderQuality) => layers[0]!.isolated,
      ({ layers }: DecoderQuality) => layers[2]!.accumulated,
    ]) {
      const [fp16, int8, int4] = reports.map(pick);
      assert.ok(0 < fp16! && fp16! < int8! && int8! < int4!, `${fp16} ${int8} ${int4}`);
    }
  });

  it('leaves no scratch files and prints every layer', async (test) => {
    const { dir, checkpoint } = setUp(test, true);
    const report = await measure(checkpoint, dir, 'int4');
    assert.deepEqual(readdirSync(dir), ['in']);
    const tensors = [
      { name: 'a.weight', form: 'int4', relative: 0.08, maxAbsolute: 0.01, overflows: 0 },
    ] as const;
    const text = formatReport({ ...report, precision: 'int4', tensors });
    assert.match(text, /Error of int4 weights, on a sample of 96 tokens/);
    assert.equal(text.match(/^\d +\d+\.\d\d % +\d+\.\d\d %$/gm)?.length, 3);
    assert.match(text, /a\.weight +int4 +8\.00 % +1\.00e-2/);
  });
});
