import { strict as assert } from 'node:assert';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { convertCheckpoint } from '../../../../src/converter/convert-checkpoint.ts';
import { builtinPrompts } from '../../../../src/converter/quantization/quality/builtin-prompts.ts';
import type { CalibrationPrompt } from '../../../../src/converter/quantization/quality/calibration-prompts.ts';
import { formatFloat16Report } from '../../../../src/converter/quantization/quality/float16/float16-report.ts';
import { overflows } from '../../../../src/converter/quantization/quality/float16/largest-values.ts';
import {
  type Float16Report,
  measureFloat16,
} from '../../../../src/converter/quantization/quality/float16/measure-float16.ts';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import type { Precision, StreamType } from '../../../../src/package/manifest.ts';
import { type CheckpointDraft, writeRandomCheckpoint } from '../../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../../helpers/scratch-dir.ts';

const R4B = { vision: {}, text: { tied: false, maxPositions: 2048 } } as const;
const PROMPTS: readonly CalibrationPrompt[] = [
  { name: 'one', messages: [{ role: 'user', content: 'Is it raining?' }] },
  { name: 'two', messages: [{ role: 'user', content: 'Add 14 and 27.' }] },
];

interface Trial {
  readonly precision: Precision;
  readonly edit?: (draft: CheckpointDraft) => void;
  readonly gpuStream?: StreamType;
  readonly prompts?: 'built in';
}

async function measure(test: TestContext, trial: Trial): Promise<Float16Report> {
  const dir = scratchDir(test);
  const { precision, gpuStream, edit } = trial;
  const checkpoint = writeRandomCheckpoint(join(dir, 'in'), { ...R4B, ...(edit && { edit }) });
  const packageDir = join(dir, 'out');
  const checkpointDir = checkpoint.dir;
  const options = { checkpointDir, outDir: packageDir, precision, gpuStream };
  const manifest = await convertCheckpoint(options);
  const prompts = trial.prompts === undefined ? PROMPTS : builtinPrompts(manifest.vision);
  const { backend } = await openBackend('node');
  const report = await measureFloat16({
    ...{ checkpointDir, packageDir, manifest, prompts, backend },
    scratchParent: dir,
    numThreads: 1,
  });
  assert.deepEqual(readdirSync(dir).sort(), ['in', 'out']);
  return report;
}

/** Multiplies a weight of the checkpoint. */
function scale(draft: CheckpointDraft, name: string, factor: number): void {
  const tensor = draft.tensors.get(`model.language_model.${name}.weight`);
  assert.ok(tensor, name);
  for (let i = 0; i < tensor.values.length; i++) tensor.values[i]! *= factor;
}

describe('the float16 report', () => {
  it('finds small changes in a model of ordinary size, images included', async (test) => {
    const report = await measure(test, { precision: 'fp16', prompts: 'built in' });
    assert.deepEqual(
      report.prompts.map(({ numImages }) => numImages),
      [...Array(6).fill(1), ...Array(14).fill(0)],
    );
    for (const error of [report.againstReference, report.againstDequantized]) {
      assert.ok(error && error.relative > 1e-4 && error.relative < 5e-3, `${error?.relative}`);
      assert.ok(error.klDivergence < 1e-4);
    }
    for (const { pThink } of report.prompts) {
      assert.ok(pThink?.fp16 != null && pThink.reference !== null && pThink.dequantized !== null);
      assert.ok(Math.abs(pThink.fp16 - pThink.reference) < 0.01);
      assert.notEqual(pThink.fp16, pThink.dequantized);
    }
    assert.ok(report.largest.length > 0 && !report.largest.some(overflows));
    const text = formatFloat16Report(report);
    assert.match(text, /at the end of 20 prompts, 6 with an image/);
    assert.match(text, /^No value leaves the range of float16\.$/m);
    assert.match(text, /^decoder mlp\/down_proj +[01] +\d\.\d+ +0\.0 %$/m);
    assert.match(text, /^vision projector\/linear_2 +\d\.\d+ +0\.0 %$/m);
    assert.match(text, /^Of 20 decisions to think, float16 flips none/m);
  });

  it('separates the error of the weights from the error of float16', async (test) => {
    const { againstReference, againstDequantized } = await measure(test, { precision: 'int4' });
    assert.ok(againstReference && againstDequantized);
    assert.ok(againstReference.relative > 0.05, `${againstReference.relative}`);
    assert.ok(againstDequantized.relative > 1e-4 && againstDequantized.relative < 5e-3);
  });

  it('names the layer and the value that overflow, and the flipped decisions', async (test) => {
    const report = await measure(test, {
      precision: 'fp16',
      // The product in the MLP grows 10^5-fold and is shrunk again by the next linear: float32 does not mind.
      edit: (draft) => {
        scale(draft, 'layers.1.mlp.up_proj', 1e5 / 2);
        scale(draft, 'layers.1.mlp.down_proj', 2e-5);
      },
    });
    const lost = report.largest.filter(overflows);
    assert.deepEqual(
      lost.map(({ part, layer, value }) => `${part} ${layer} ${value}`),
      ['decoder 1 mlp/up_proj', 'decoder 1 mlp/Mul'],
    );
    assert.ok(lost.every(({ largest }) => largest !== null && largest > 65_504));
    assert.deepEqual([report.againstReference, report.againstDequantized], [null, null]);
    for (const { pThink, flippedBy } of report.prompts) {
      assert.equal(pThink?.fp16, null);
      assert.ok(
        pThink.reference !== null && Math.abs(pThink.reference - (pThink.dequantized ?? 0)) < 0.01,
      );
      assert.deepEqual(flippedBy, ['float16']);
    }
    const text = formatFloat16Report(report);
    assert.match(
      text,
      /2 kinds of value overflow.* the first is decoder mlp\/up_proj of layer 1\./,
    );
    assert.match(text, /^decoder mlp\/Mul +1 +\d.* overflows$/m);
    assert.match(text, /^one +\d+ +0\.\d{4} +0\.\d{4} +not a number +flipped by float16/m);
    assert.match(text, /float16 flips 2 \(one; two\), the package's weights flip none\./);
  });

  it('measures the residual stream, which overflows in float16', async (test) => {
    // What the layers write into the stream cancels out in the norms, and float32 does not mind its size.
    const edit = (draft: CheckpointDraft): void => scale(draft, 'embed_tokens', 2e5);
    const safe = await measure(test, { precision: 'int8', edit });
    assert.deepEqual(safe.largest.filter(overflows), []);
    const stream = safe.largest.find(({ value }) => value === 'stream');
    assert.ok(stream?.type === 'float32' && stream.largest !== null && stream.largest > 65_504);
    assert.match(formatFloat16Report(safe), /^decoder stream \(in float32\) +[01] +\d/m);
    assert.ok(safe.againstDequantized && safe.againstDequantized.relative < 1e-2);

    const fast = await measure(test, { precision: 'int8', edit, gpuStream: 'float16' });
    const lost = fast.largest.filter(overflows).map(({ value }) => value);
    assert.ok(lost.includes('stream') && lost.includes('stream within'), lost.join());
    assert.equal(fast.againstDequantized, null);
  });

  it('finds decisions that rounding flips', async (test) => {
    const { prompts } = await measure(test, {
      precision: 'fp16',
      prompts: 'built in',
      edit: ({ tensors, tokenizer }) => {
        const head = tensors.get('lm_head.weight');
        assert.ok(head);
        const { model } = tokenizer as { model: { vocab: Record<string, number> } };
        const [hidden, think, fast] = [head.shape[1]!, model.vocab['Ċ']!, model.vocab['ĊĊ']!];
        // The same large logit for both but for one small weight, which float16 can hold and their difference cannot.
        const row = head.values.slice(think * hidden, (think + 1) * hidden).map((w) => w * 16);
        row[0] = 0;
        head.values.set(row, think * hidden);
        row[0] = 2 ** -9;
        head.values.set(row, fast * hidden);
      },
    });
    const turned = prompts.filter(({ flippedBy }) => flippedBy.length > 0);
    assert.ok(turned.length > 0);
    for (const { pThink, flippedBy } of turned) {
      assert.deepEqual(flippedBy, ['float16']);
      assert.ok(
        pThink?.dequantized != null && pThink.dequantized > 0.49 && pThink.dequantized < 0.5,
      );
      assert.equal(pThink.fp16, 0.5);
    }
  });
});
