import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { convertCheckpoint } from '../../src/converter/convert-checkpoint.ts';
import type { FeatureSpan, ModelRunner } from '../../src/engine/model-runner.ts';
import { openModelRunner } from '../../src/engine/runtime/onnx-model-runner.ts';
import type { Manifest } from '../../src/package/manifest.ts';
import { createChatFormatter, type FormattedPrompt } from '../../src/server/prompt/formatter.ts';
import type { ContentPart } from '../../src/server/prompt/messages.ts';
import { openTestBackend, TEST_BACKENDS } from '../helpers/test-backends.ts';

const CHECKPOINTS = 'test/golden/data/checkpoints';
const TOLERANCE = 1e-4;
const SLOT = 0;

/** What PyTorch computed from a checkpoint; see test/golden/make_references.py. */
interface Reference {
  readonly question: string;
  readonly pictures: string[];
  readonly numImageTokens: number[];
  readonly promptTokenIds: number[];
  readonly numLogitRows: number;
  readonly greedyTokenIds: number[];
}

const names = await readdir(CHECKPOINTS);

it('has at least four checkpoints with images and one of text only', () => {
  assert.ok(names.filter((name) => name.startsWith('r4b-')).length >= 4);
  assert.ok(names.some((name) => name.startsWith('qwen3-')));
});

for (const name of names) {
  describe(`${name}, converted to fp32, against PyTorch`, () => {
    const checkpointDir = join(CHECKPOINTS, name);
    let packageDir: string;
    let manifest: Manifest;
    let reference: Reference;
    let prompt: FormattedPrompt;

    before(async () => {
      packageDir = join(await mkdtemp(join(tmpdir(), 'thinkgate-golden-')), 'package');
      manifest = await convertCheckpoint({ checkpointDir, outDir: packageDir, precision: 'fp32' });
      reference = JSON.parse(await readFile(join(checkpointDir, 'reference.json'), 'utf8'));
      prompt = await formatPrompt(packageDir, manifest, checkpointDir, reference);
    });
    after(() => rm(join(packageDir, '..'), { recursive: true }));

    it('renders the same prompt from messages and images', () => {
      assert.deepEqual([...prompt.promptTokenIds], reference.promptTokenIds);
      assert.deepEqual(
        prompt.images.map(({ numTokens }) => numTokens),
        reference.numImageTokens,
      );
    });

    for (const backendName of TEST_BACKENDS) {
      describe(`through the ${backendName} backend`, () => {
        let runner: ModelRunner;
        let features: Float32Array[];

        before(async () => {
          const backend = await openTestBackend(backendName);
          runner = await openModelRunner({
            packageDir,
            manifest,
            backend,
            numThreads: 1,
            numSlots: 1,
            slotCapacity: 512,
          });
          features = await encodePictures(runner, prompt);
        });
        after(() => runner.dispose());

        if (name.startsWith('r4b-')) {
          it('computes the same features of every image', async (t) => {
            const expected = await readFloats(join(checkpointDir, 'reference.features.f32'));
            const error = relativeError(concat(features), expected);
            t.diagnostic(`relative error of the features: ${error.toExponential(2)}`);
            assert.ok(error <= TOLERANCE, `relative error ${error}`);
          });
        }

        it('computes the same logits for the last 64 positions of the prompt', async (t) => {
          const { numLogitRows } = reference;
          assert.ok(numLogitRows >= 64);
          const expected = await readFloats(join(checkpointDir, 'reference.logits.f32'));
          const rows = await logitRows(runner, prompt, { features, manifest, numLogitRows });
          const error = relativeError(concat(rows), expected);
          t.diagnostic(`relative error of the logits: ${error.toExponential(2)}`);
          assert.ok(error <= TOLERANCE, `relative error ${error}`);
        });

        it('continues the prompt greedily with the same 64 tokens', async () => {
          const steps = reference.greedyTokenIds.length;
          assert.ok(steps >= 64);
          const tokens = await continueGreedily(runner, prompt, { features, manifest, steps });
          assert.deepEqual(tokens, reference.greedyTokenIds);
        });
      });
    }
  });
}

async function formatPrompt(
  packageDir: string,
  manifest: Manifest,
  checkpointDir: string,
  { pictures, question }: Reference,
): Promise<FormattedPrompt> {
  const images = await Promise.all(
    pictures.map(async (file): Promise<ContentPart> => {
      const base64 = (await readFile(join(checkpointDir, file))).toString('base64');
      return { type: 'image', source: `data:image/png;base64,${base64}` };
    }),
  );
  const content: ContentPart[] = [...images, { type: 'text', text: question }];
  const formatter = await createChatFormatter({ packageDir, manifest });
  try {
    const mode = manifest.thinking.defaultMode;
    return await formatter.format({ messages: [{ role: 'user', content }], mode });
  } finally {
    await formatter.close();
  }
}

function encodePictures(runner: ModelRunner, prompt: FormattedPrompt): Promise<Float32Array[]> {
  return prompt.images.reduce(async (done, image) => {
    const packed = await done;
    const raw = await runner.encodeTiles(image, 0, image.numTiles);
    return [...packed, runner.packFeatures(image, raw)];
  }, Promise.resolve<Float32Array[]>([]));
}

interface PromptParts {
  readonly features: readonly Float32Array[];
  readonly manifest: Manifest;
}

/** The prompt up to the first wanted row in one chunk, then one position at a time. */
async function logitRows(
  runner: ModelRunner,
  prompt: FormattedPrompt,
  parts: PromptParts & { readonly numLogitRows: number },
): Promise<Float32Array[]> {
  const length = prompt.promptTokenIds.length;
  const first = length - parts.numLogitRows + 1;
  const rows = [await prefill(runner, prompt, parts, { start: 0, end: first })];
  for (let start = first; start < length; start += 1) {
    rows.push(await prefill(runner, prompt, parts, { start, end: start + 1 }));
  }
  return rows;
}

async function continueGreedily(
  runner: ModelRunner,
  prompt: FormattedPrompt,
  parts: PromptParts & { readonly steps: number },
): Promise<number[]> {
  const length = prompt.promptTokenIds.length;
  let logits = await prefill(runner, prompt, parts, { start: 0, end: length });
  const tokens = [indexOfMax(logits)];
  while (tokens.length < parts.steps) {
    const position = length + tokens.length - 1;
    const rows = await runner.decode([{ slot: SLOT, position, tokenId: tokens.at(-1)! }]);
    logits = rows[0]!;
    tokens.push(indexOfMax(logits));
  }
  return tokens;
}

async function prefill(
  runner: ModelRunner,
  prompt: FormattedPrompt,
  parts: PromptParts,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<Float32Array> {
  const logits = await runner.prefill({
    slot: SLOT,
    start,
    tokenIds: prompt.promptTokenIds.slice(start, end),
    features: featureSpans(prompt, parts, start, end),
    needsLogits: true,
  });
  assert.ok(logits !== undefined);
  return logits.slice();
}

/** One span per picture position inside the chunk: rows of `features` in prompt order. */
function featureSpans(
  prompt: FormattedPrompt,
  { features, manifest }: PromptParts,
  start: number,
  end: number,
): FeatureSpan[] {
  const { hiddenSize } = manifest.text;
  const all = concat(features);
  const spans: FeatureSpan[] = [];
  let row = 0;
  prompt.promptTokenIds.forEach((id, position) => {
    if (id !== manifest.tokens.image) return;
    if (position >= start && position < end) {
      const rows = all.slice(row * hiddenSize, (row + 1) * hiddenSize);
      spans.push({ offset: position - start, rows });
    }
    row += 1;
  });
  return spans;
}

async function readFloats(file: string): Promise<Float32Array> {
  const bytes = await readFile(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function concat(arrays: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let offset = 0;
  for (const array of arrays) {
    joined.set(array, offset);
    offset += array.length;
  }
  return joined;
}

/** ‖actual − expected‖ / ‖expected‖ */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  assert.equal(actual.length, expected.length);
  let difference = 0;
  let norm = 0;
  expected.forEach((value, index) => {
    difference += (actual[index]! - value) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(difference / norm);
}

function indexOfMax(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > values[best]! ? index : best), 0);
}
