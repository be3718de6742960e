import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { convertCheckpoint } from '../../../../src/converter/convert-checkpoint.ts';
import { builtinPrompts } from '../../../../src/converter/quantization/quality/builtin-prompts.ts';
import type { CalibrationPrompt } from '../../../../src/converter/quantization/quality/calibration-prompts.ts';
import type { Int8KvReport } from '../../../../src/converter/quantization/quality/int8-kv/int8-kv-report.ts';
import { formatInt8KvReport } from '../../../../src/converter/quantization/quality/int8-kv/int8-kv-report.ts';
import {
  type QuantizeKvOptions,
  quantizeKv,
} from '../../../../src/converter/quantization/quality/int8-kv/quantize-kv.ts';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import { openModelRunner } from '../../../../src/engine/runtime/onnx-model-runner.ts';
import type { Backend } from '../../../../src/engine/runtime/session.ts';
import type { Precision } from '../../../../src/package/manifest.ts';
import { readPackage } from '../../../../src/package/read-package.ts';
import { writeRandomCheckpoint } from '../../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../../helpers/scratch-dir.ts';
import { relativeError } from '../../../helpers/transformer-reference.ts';

const TEXTS = ['What is 23 + 48?', 'the sum of the numbers', 'Name a colour!', 'Wie spät ist es?'];

const PROMPTS: readonly CalibrationPrompt[] = TEXTS.map((content) => ({
  name: content,
  messages: [{ role: 'user', content }],
}));

let backend: Backend;
before(async () => {
  ({ backend } = await openBackend('ffi'));
});

async function convert(
  test: TestContext,
  precision: Precision = 'fp32',
  prefill?: 'int8',
): Promise<string> {
  const dir = scratchDir(test);
  const checkpointDir = join(dir, 'in');
  const packageDir = join(dir, 'package');
  const text = { numLayers: 3, maxPositions: 1024 };
  writeRandomCheckpoint(checkpointDir, { text, vision: {} });
  await convertCheckpoint({ checkpointDir, outDir: packageDir, precision, prefill });
  return packageDir;
}

function quantize(
  packageDir: string,
  options: Partial<QuantizeKvOptions> = {},
): Promise<Int8KvReport> {
  const { signal } = new AbortController();
  const common = { packageDir, backend, numThreads: 1, signal };
  return quantizeKv({ ...common, prompts: PROMPTS, headroom: 1.25, maxTokens: 8, ...options });
}

describe('quantize-kv', () => {
  for (const precision of ['fp32', 'int4'] as const) {
    it(`adds the graph to a package in ${precision} and reports its error`, async (test) => {
      const packageDir = await convert(test, precision);
      const before = await readPackage(packageDir);
      const played: string[] = [];
      const report = await quantize(packageDir, {
        onProgress: (done, total) => played.push(`${done} of ${total}`),
      });

      const { manifest } = await readPackage(packageDir, { verify: true });
      assert.deepEqual(manifest.int8Kv, { decoder: 'decoder.kv8.onnx' });
      assert.deepEqual(report.files, ['decoder.kv8.onnx']);
      const { int8Kv: _, files, ...rest } = manifest;
      const { files: filesBefore, ...restBefore } = before.manifest;
      assert.deepEqual(rest, restBefore);
      assert.deepEqual(
        files.filter(({ path }) => !report.files.includes(path)),
        filesBefore,
      );
      assert.deepEqual(played, ['1 of 6', '2 of 6', '3 of 6', '4 of 6', '5 of 6', '6 of 6']);

      assert.equal(report.numCalibrated, 2);
      assert.equal(report.numMeasured, 2);
      const { relative, largest, klDivergence, numPositions } = report.logits;
      assert.ok(numPositions >= 2 && numPositions <= 2 * 9, `${numPositions} positions`);
      assert.ok(relative > 1e-5 && relative < 0.05, `relative error ${relative}`);
      assert.ok(largest > 0 && klDivergence > 0);
      assert.equal(report.decisions?.pairs.length, 2);
      for (const { before: exact, after } of report.decisions.pairs) {
        assert.ok(exact > 0 && exact < 1 && Math.abs(after - exact) < 0.1);
        assert.notEqual(after, exact);
      }
      assert.equal(report.layers.length, 3);
      // 3 layers, keys and values, 2 heads of 16.
      assert.deepEqual(report.memory, { fp32: 768_000, int8: 192_000 });
    });
  }

  it('adds an int8 KV prefill graph if the package has a prefill graph, and computes prompts with it', async (test) => {
    const packageDir = await convert(test, 'fp32', 'int8');
    const report = await quantize(packageDir);
    assert.deepEqual(report.files, ['decoder.kv8.onnx', 'prefill.kv8.onnx']);
    const { manifest } = await readPackage(packageDir, { verify: true });
    const place = { packageDir, manifest, backend, numThreads: 1, numSlots: 1, slotCapacity: 64 };
    const tokenIds = Int32Array.from({ length: 40 }, (_, i) => (7 * i) % 200);
    const logitsOf = async (prefillGraph: boolean): Promise<Float32Array> => {
      const runner = await openModelRunner({ ...place, kvCache: 'int8', prefillGraph });
      const prompt = { slot: 0, start: 0, tokenIds, features: [], needsLogits: true };
      await runner.prefill(prompt);
      const [logits] = await runner.decode([{ slot: 0, position: 40, tokenId: 3 }]);
      const copy = logits!.slice();
      await runner.dispose();
      return copy;
    };
    const [fast, plain] = [await logitsOf(true), await logitsOf(false)];
    const error = relativeError(fast, [...plain]);
    assert.ok(error > 1e-4 && error < 0.05, `relative error ${error}`);
  });

  it('reports per layer how much too little headroom clips, and a larger error', async (test) => {
    const packageDir = await convert(test);
    const roomy = await quantize(packageDir, { headroom: 2 });
    const tight = await quantize(packageDir, { headroom: 0.3 });
    for (const layer of tight.layers) {
      assert.ok(layer.keys > 0.01 && layer.values > 0.01, 'much is clipped everywhere');
      assert.ok(layer.overshoot > 1 / 0.3 / 2);
    }
    const clippedBefore = roomy.layers.reduce((sum, { keys }) => sum + keys, 0);
    assert.ok(clippedBefore < 0.01);
    assert.ok(tight.logits.relative > 4 * roomy.logits.relative);
    assert.match(formatInt8KvReport(tight), /clipped in layers 0, 1, 2: calibrate on more prompts/);
    assert.doesNotMatch(formatInt8KvReport(roomy), /calibrate on more prompts/);
    // The second run replaced what the first had added.
    await readPackage(packageDir, { verify: true });
  });

  it('leaves the package unchanged when it is interrupted or a prompt cannot be rendered', async (test) => {
    const packageDir = await convert(test);
    const names = readdirSync(packageDir).sort();
    const manifest = readFileSync(join(packageDir, 'manifest.json'), 'utf8');
    const unchanged = (): void => {
      assert.deepEqual(readdirSync(packageDir).sort(), names);
      assert.equal(readFileSync(join(packageDir, 'manifest.json'), 'utf8'), manifest);
    };
    const abort = new AbortController();
    const interrupted = quantize(packageDir, {
      signal: abort.signal,
      onProgress: (done) => {
        if (done === 5) abort.abort(new Error('enough'));
      },
    });
    await assert.rejects(interrupted, /enough|abort/i);
    unchanged();
    const long = {
      name: 'a novel',
      messages: [{ role: 'user' as const, content: 'x'.repeat(3000) }],
    };
    await assert.rejects(
      quantize(packageDir, { prompts: [...PROMPTS, long] }),
      /The prompt "a novel" cannot be used: The prompt has \d+ tokens; at most 1023 fit/,
    );
    await assert.rejects(quantize(packageDir, { prompts: PROMPTS.slice(1, 2) }), /2 prompts/);
    unchanged();
  });

  it('has built-in prompts, with images for a model with a vision tower', async (test) => {
    const packageDir = await convert(test);
    const { manifest } = await readPackage(packageDir);
    const withImages = builtinPrompts(manifest.vision);
    const half = withImages.filter((_, index) => index % 2 === 1);
    assert.ok(
      half.some(({ images }) => images !== undefined),
      'images measure',
    );
    assert.ok(
      withImages.some(({ images }, i) => i % 2 === 0 && images),
      'images calibrate',
    );
    const report = await quantize(packageDir, { prompts: withImages, maxTokens: 2 });
    assert.equal(report.numMeasured, half.length);
    assert.ok(builtinPrompts(null).every(({ images }) => images === undefined));
  });
});
