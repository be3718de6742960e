import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { convertCheckpoint } from '../../src/converter/convert-checkpoint.ts';
import type { Manifest } from '../../src/package/manifest.ts';
import { createChatFormatter, type FormattedPrompt } from '../../src/server/prompt/formatter.ts';
import type { ContentPart } from '../../src/server/prompt/messages.ts';
import { answerRequest, RuntimeEngine } from '../helpers/runtime-engine.ts';
import { TEST_BACKEND, TEST_BACKENDS, type TestBackend } from '../helpers/test-backends.ts';

const CHECKPOINTS = 'test/golden/data/checkpoints';
/** Relative, of the logits after a prompt: whole against reused, cut anywhere. */
const TOLERANCE = 1e-5;
const CAPACITY = 512;

interface Reference {
  readonly question: string;
  readonly pictures: string[];
  readonly greedyTokenIds: number[];
}

/** Where a reference is kept and what its prompt is made of. */
interface Subject {
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly prompt: FormattedPrompt;
  readonly greedyTokenIds: readonly number[];
}

for (const name of await readdir(CHECKPOINTS)) {
  describe(`${name}, converted to fp32, with reused prefixes`, () => {
    let subject: Subject;
    before(async () => {
      subject = await convert(join(CHECKPOINTS, name));
    });
    after(() => rm(join(subject.packageDir, '..'), { recursive: true }));

    for (const backend of TEST_BACKENDS) {
      it(`continues as PyTorch does: cold, from its own slot and from another's, on ${backend}`, async () => {
        const { prompt, greedyTokenIds } = subject;
        const bench = await open(subject, backend);
        const { images, promptTokenIds } = prompt;
        const parts = { images, maxTokens: greedyTokenIds.length };
        const cold = await bench.run(answerRequest(promptTokenIds, { ...parts, id: 'cold' }));
        assert.deepEqual(cold.tokenIds, greedyTokenIds);
        assert.equal(cold.finish.usage.cachedTokens, 0);
        const { numTiles } = bench.work;
        // The first finds a free slot with the prompt, the others copy from it while it runs.
        const warm = await Promise.all(
          ['again', 'beside', 'too'].map((id) =>
            bench.run(answerRequest(promptTokenIds, { ...parts, id })),
          ),
        );
        for (const { tokenIds, finish } of warm) {
          assert.deepEqual(tokenIds, greedyTokenIds);
          assert.equal(finish.usage.cachedTokens, promptTokenIds.length - 1);
        }
        assert.ok(bench.work.numCopies >= 2);
        assert.equal(bench.work.numTiles, numTiles, 'no picture was encoded again');
        await bench.runner.dispose();
      });

      it(`answers a second turn with the tokens of an engine that knows no first one, on ${backend}`, async () => {
        const { prompt, greedyTokenIds } = subject;
        const { images, promptTokenIds } = prompt;
        const question = promptTokenIds.slice(-12);
        const turn = answerRequest([...promptTokenIds, ...greedyTokenIds, ...question], {
          id: 'turn',
          images,
          maxTokens: 32,
        });
        const expected = await runCold(subject, backend, turn);
        for (const prefillChunk of [5, 64]) {
          const bench = await open(subject, backend, prefillChunk);
          const first = answerRequest(promptTokenIds, {
            id: 'first',
            images,
            maxTokens: greedyTokenIds.length,
          });
          await bench.run(first);
          const { tokenIds, finish } = await bench.run(turn);
          assert.deepEqual(tokenIds, expected);
          assert.equal(
            finish.usage.cachedTokens,
            promptTokenIds.length + greedyTokenIds.length - 1,
          );
          assert.equal(finish.timing.visionMs, 0);
          await bench.runner.dispose();
        }
      });
    }

    it('computes the same logits after a prefix of any length', async (t) => {
      const { promptTokenIds } = subject.prompt;
      const { runner } = await open(subject, TEST_BACKEND);
      // Placeholders keep their own embeddings here: as good a row as any for what is compared.
      const whole = {
        slot: 0,
        start: 0,
        tokenIds: promptTokenIds,
        features: [],
        needsLogits: true,
      };
      const expected = (await runner.prefill(whole))?.slice();
      assert.ok(expected);
      let worst = 0;
      for (const numTokens of [1, 7, promptTokenIds.length >> 1, promptTokenIds.length - 1]) {
        await runner.copyPrefix({ fromSlot: 0, toSlot: 2, numTokens });
        const logits = await runner.prefill({
          slot: 2,
          start: numTokens,
          tokenIds: promptTokenIds.subarray(numTokens),
          features: [],
          needsLogits: true,
        });
        assert.ok(logits);
        worst = Math.max(worst, relativeError(logits, expected));
      }
      t.diagnostic(`relative error of the logits: ${worst.toExponential(2)}`);
      assert.ok(worst <= TOLERANCE, `relative error ${worst}`);
      await runner.dispose();
    });
  });
}

async function convert(checkpointDir: string): Promise<Subject> {
  const packageDir = join(await mkdtemp(join(tmpdir(), 'thinkgate-golden-')), 'package');
  const manifest = await convertCheckpoint({
    checkpointDir,
    outDir: packageDir,
    precision: 'fp32',
  });
  const reference: Reference = JSON.parse(
    await readFile(join(checkpointDir, 'reference.json'), 'utf8'),
  );
  const pictures = await Promise.all(
    reference.pictures.map(async (file): Promise<ContentPart> => {
      const base64 = (await readFile(join(checkpointDir, file))).toString('base64');
      return { type: 'image', source: `data:image/png;base64,${base64}` };
    }),
  );
  const content: ContentPart[] = [...pictures, { type: 'text', text: reference.question }];
  const formatter = await createChatFormatter({ packageDir, manifest });
  try {
    const mode = manifest.thinking.defaultMode;
    const prompt = await formatter.format({ messages: [{ role: 'user', content }], mode });
    return { packageDir, manifest, prompt, greedyTokenIds: reference.greedyTokenIds };
  } finally {
    await formatter.close();
  }
}

function open(
  { packageDir, manifest }: Subject,
  backend: TestBackend,
  prefillChunk = 64,
): Promise<RuntimeEngine> {
  const sizes = { numSlots: 3, slotCapacity: CAPACITY, prefillChunk };
  return RuntimeEngine.open({ packageDir, manifest, backend, ...sizes });
}

async function runCold(
  { packageDir, manifest }: Subject,
  backend: TestBackend,
  request: Parameters<RuntimeEngine['run']>[0],
): Promise<readonly number[]> {
  const bench = await RuntimeEngine.open({
    packageDir,
    manifest,
    backend,
    numSlots: 1,
    slotCapacity: CAPACITY,
    prefillChunk: CAPACITY,
    reuse: { prefixes: false, featureBytes: 0 },
  });
  const { tokenIds, finish } = await bench.run(request);
  assert.equal(finish.message, null);
  await bench.runner.dispose();
  return tokenIds;
}

/** ‖actual − expected‖ / ‖expected‖ */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let norm = 0;
  expected.forEach((value, index) => {
    difference += (actual[index]! - value) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(difference / norm);
}
