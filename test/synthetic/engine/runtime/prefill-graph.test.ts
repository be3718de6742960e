import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { convertCheckpoint } from '../../../../src/converter/convert-checkpoint.ts';
import type { ModelRunner } from '../../../../src/engine/model-runner.ts';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import { openModelRunner } from '../../../../src/engine/runtime/onnx-model-runner.ts';
import { Random } from '../../../helpers/random.ts';
import { writeRandomCheckpoint } from '../../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../../helpers/scratch-dir.ts';
import { relativeError } from '../../../helpers/transformer-reference.ts';

async function setUp(test: TestContext, name: 'ffi' | 'node' = 'ffi') {
  const dir = scratchDir(test);
  const { vocabSize } = writeRandomCheckpoint(join(dir, 'in'));
  const packageDir = join(dir, 'out');
  const manifest = await convertCheckpoint({
    checkpointDir: join(dir, 'in'),
    outDir: packageDir,
    precision: 'fp32',
    prefill: 'int8',
  });
  const { backend } = await openBackend(name);
  const open = async (prefillGraph: boolean): Promise<ModelRunner> => {
    const runner = await openModelRunner({
      ...{ packageDir, manifest, backend, prefillGraph },
      ...{ numThreads: 2, numSlots: 2, slotCapacity: 96 },
    });
    test.after(() => runner.dispose());
    return runner;
  };
  const tokenIds = Int32Array.from(new Random(5).ints(60, vocabSize));
  return { with: await open(true), without: await open(false), tokenIds };
}

async function prefill(
  runner: ModelRunner,
  tokenIds: Int32Array,
  { cuts = [], wasGenerated = false }: { cuts?: readonly number[]; wasGenerated?: boolean } = {},
): Promise<Float32Array> {
  let start = 0;
  let logits: Float32Array | undefined;
  for (const end of [...cuts, tokenIds.length]) {
    const piece = tokenIds.subarray(start, end);
    const needsLogits = end === tokenIds.length;
    const chunk = { slot: 0, start, tokenIds: piece, features: [], needsLogits, wasGenerated };
    logits = (await runner.prefill(chunk))?.slice();
    start = end;
  }
  assert.ok(logits);
  return logits;
}

describe('a package with a prefill graph', () => {
  for (const name of ['ffi', 'node'] as const) {
    it(`computes prompts with it through ${name}, close to the decode graph's logits`, async (test) => {
      const { with: fast, without, tokenIds } = await setUp(test, name);
      const [int8, fp32] = [await prefill(fast, tokenIds), await prefill(without, tokenIds)];
      const error = relativeError(int8, [...fp32]);
      assert.ok(error > 1e-4 && error < 0.03, `relative error ${error}`);
    });
  }

  it('gives the same logits whatever chunks a prompt is cut into', async (test) => {
    const { with: runner, tokenIds } = await setUp(test);
    const whole = await prefill(runner, tokenIds);
    for (const cuts of [[1], [7, 20], [16, 32, 48]]) {
      const cut = await prefill(runner, tokenIds, { cuts });
      // Attention may sum in another order, so a value between two steps may round the other way.
      assert.ok(relativeError(cut, [...whole]) < 5e-3, cuts.join());
    }
  });

  it("decodes over the prefill graph's KV cache", async (test) => {
    const { with: fast, without, tokenIds } = await setUp(test);
    for (const runner of [fast, without]) await prefill(runner, tokenIds);
    for (const position of [60, 61, 62]) {
      const rows = [{ slot: 0, position, tokenId: position }];
      const [int8] = await fast.decode(rows);
      const [fp32] = await without.decode(rows);
      assert.ok(relativeError(int8!, [...fp32!]) < 0.03);
    }
  });

  it('recomputes generated tokens with the decode graph, to the bit', async (test) => {
    const { with: fast, without, tokenIds } = await setUp(test);
    const again = await prefill(fast, tokenIds, { wasGenerated: true });
    assert.deepEqual(again, await prefill(without, tokenIds));
  });
});
