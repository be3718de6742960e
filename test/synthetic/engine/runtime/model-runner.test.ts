import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ModelRunner, TiledImage } from '../../../../src/engine/model-runner.ts';
import { openModelRunner } from '../../../../src/engine/runtime/onnx-model-runner.ts';
import { RuntimeError } from '../../../../src/engine/runtime/session.ts';
import { countImageTokens } from '../../../../src/package/anyres-geometry.ts';
import type { Manifest } from '../../../../src/package/manifest.ts';
import { Random } from '../../../helpers/random.ts';
import {
  openTestBackend,
  TEST_BACKENDS,
  type TestBackend,
} from '../../../helpers/test-backends.ts';
import {
  makeTinyModel,
  TINY_SHAPE,
  type TinyPackage,
  writeTinyPackage,
} from '../../../helpers/tiny-model.ts';
import {
  embedTokens,
  referenceFeatures,
  referenceLogits,
} from '../../../helpers/tiny-reference.ts';

const NUM_SLOTS = 5;
const SLOT_CAPACITY = 64;
const TOLERANCE = 1e-4;

const model = makeTinyModel();
const random = new Random(7);
let tiny: TinyPackage;

before(async () => {
  tiny = await writeTinyPackage(model);
});
after(() => tiny.remove());

function prompt(length: number): Int32Array {
  return random.ints(length, TINY_SHAPE.vocabSize);
}

function expectedLogits(tokenIds: ArrayLike<number>): number[] {
  return referenceLogits(model, embedTokens(model, tokenIds));
}

function assertLogits(actual: Float32Array | undefined, expected: readonly number[]): void {
  assert.ok(actual !== undefined, 'logits were wanted');
  assert.equal(actual.length, expected.length);
  const worst = Math.max(...expected.map((value, index) => Math.abs(value - actual[index]!)));
  assert.ok(worst <= TOLERANCE, `logits differ by ${worst}`);
}

async function openTiny(name: TestBackend): Promise<ModelRunner> {
  const backend = await openTestBackend(name);
  return openModelRunner({
    packageDir: tiny.packageDir,
    manifest: tiny.manifest,
    backend,
    numThreads: 1,
    numSlots: NUM_SLOTS,
    slotCapacity: SLOT_CAPACITY,
  });
}

interface PrefillOptions {
  readonly slot: number;
  /** Positions at which the prompt is cut into chunks. */
  readonly cuts?: readonly number[];
  readonly start?: number;
}

/** Prefills a prompt in chunks. @returns a copy of the last token's logits */
async function prefill(
  runner: ModelRunner,
  tokenIds: Int32Array,
  { slot, cuts = [], start = 0 }: PrefillOptions,
): Promise<Float32Array | undefined> {
  const edges = [start, ...cuts, tokenIds.length];
  let logits: Float32Array | undefined;
  for (let index = 0; index + 1 < edges.length; index += 1) {
    const end = edges[index + 1]!;
    logits = await runner.prefill({
      slot,
      start: edges[index]!,
      tokenIds: tokenIds.subarray(edges[index]!, end),
      features: [],
      needsLogits: end === tokenIds.length,
    });
    assert.equal(logits === undefined, end !== tokenIds.length);
  }
  return logits?.slice();
}

function makeImage(gridRows: number, gridColumns: number, size: [number, number]): TiledImage {
  const { tileSize, patchesPerSide } = TINY_SHAPE;
  const numTiles = 1 + gridRows * gridColumns;
  const [originalHeight, originalWidth] = size;
  const geometry = { gridRows, gridColumns, patchesPerSide, originalHeight, originalWidth };
  return {
    hash: 'test',
    tiles: Uint8Array.from(random.ints(numTiles * tileSize * tileSize * 3, 256)),
    numTiles,
    gridRows,
    gridColumns,
    originalHeight,
    originalWidth,
    numTokens: countImageTokens(geometry),
  };
}

for (const name of TEST_BACKENDS) {
  describe(`model runner on the ${name} backend`, () => {
    let runner: ModelRunner;
    before(async () => {
      runner = await openTiny(name);
    });
    after(() => runner.dispose());

    test("gives the reference's logits for a whole prompt", async () => {
      const tokenIds = prompt(23);
      assertLogits(await prefill(runner, tokenIds, { slot: 0 }), expectedLogits(tokenIds));
    });

    for (const cuts of [[1], [22], [5, 6, 17], [8, 16]]) {
      test(`gives the same logits for a prompt cut at ${cuts.join(', ')}`, async () => {
        const tokenIds = prompt(23);
        const logits = await prefill(runner, tokenIds, { slot: 3, cuts });
        assertLogits(logits, expectedLogits(tokenIds));
      });
    }

    test('decodes sequences of different lengths together, each from its own prompt', async () => {
      const sequences = new Map<number, number[]>();
      for (const [slot, length] of [
        [4, 30],
        [0, 3],
        [2, 17],
        [1, 1],
      ] as const) {
        const tokenIds = prompt(length);
        await prefill(runner, tokenIds, { slot, cuts: length > 10 ? [9] : [] });
        sequences.set(slot, [...tokenIds]);
      }
      // The rows are in any order, and some steps omit a sequence.
      for (const slots of [[4, 0, 2], [2, 4], [1, 0, 4, 2], [0], [2, 1, 0], [4, 1]]) {
        const rows = slots.map((slot) => {
          const tokenId = random.below(TINY_SHAPE.vocabSize);
          const position = sequences.get(slot)!.push(tokenId) - 1;
          return { slot, position, tokenId };
        });
        const logits = await runner.decode(rows);
        assert.equal(logits.length, slots.length);
        for (const [index, slot] of slots.entries()) {
          assertLogits(logits[index], expectedLogits(sequences.get(slot)!));
        }
      }
    });

    test("generates the reference's greedy continuations", async () => {
      const sequences = [prompt(9), prompt(14)].map((tokenIds) => [...tokenIds]);
      const expected = sequences.map((sequence) => [...sequence]);
      for (const sequence of expected) {
        for (let step = 0; step < 12; step += 1) sequence.push(argmax(expectedLogits(sequence)));
      }
      for (const [slot, sequence] of sequences.entries()) {
        const logits = await prefill(runner, Int32Array.from(sequence), { slot });
        sequence.push(argmax(logits!));
      }
      for (let step = 1; step < 12; step += 1) {
        const logits = await runner.decode(
          sequences.map((sequence, slot) => ({
            slot,
            position: sequence.length - 1,
            tokenId: sequence.at(-1)!,
          })),
        );
        for (const [slot, sequence] of sequences.entries()) sequence.push(argmax(logits[slot]!));
      }
      assert.deepEqual(sequences, expected);
    });

    test('does not change a prompt in progress by a step of other slots between its chunks', async () => {
      const [low, middle, high] = [prompt(6), prompt(20), prompt(7)];
      await prefill(runner, low, { slot: 0 });
      await prefill(runner, high, { slot: 2 });
      const first = { slot: 1, start: 0, tokenIds: middle.subarray(0, 11), features: [] };
      await runner.prefill({ ...first, needsLogits: false });
      for (let step = 0; step < 3; step += 1) {
        await runner.decode([
          { slot: 0, position: 6 + step, tokenId: 5 },
          { slot: 2, position: 7 + step, tokenId: 6 },
        ]);
      }
      const logits = await prefill(runner, middle, { slot: 1, start: 11 });
      assertLogits(logits, expectedLogits(middle));
    });

    test('keeps the prefix of a full slot during steps of its neighbours', async () => {
      const full = prompt(SLOT_CAPACITY);
      await prefill(runner, full, { slot: 1 });
      await prefill(runner, prompt(4), { slot: 0 });
      await prefill(runner, prompt(4), { slot: 2 });
      await runner.decode([
        { slot: 0, position: 4, tokenId: 1 },
        { slot: 2, position: 4, tokenId: 1 },
      ]);
      const last = SLOT_CAPACITY - 1;
      const logits = await prefill(runner, full, { slot: 1, start: last });
      assertLogits(logits, expectedLogits(full));
    });

    test('reuses the shared prefix of a finished sequence', async () => {
      const old = prompt(25);
      await prefill(runner, old, { slot: 2 });
      await runner.decode([{ slot: 2, position: 25, tokenId: 3 }]);
      const next = Int32Array.from([...old.subarray(0, 13), ...prompt(9)]);
      const logits = await prefill(runner, next, { slot: 2, start: 13 });
      assertLogits(logits, expectedLogits(next));
    });

    test('continues a copied prefix in another slot, beside its own sequence and the neighbours', async () => {
      const [long, neighbour] = [prompt(21), prompt(5)];
      await prefill(runner, long, { slot: 1 });
      await prefill(runner, neighbour, { slot: 3 });
      // The slot's earlier contents must have no effect.
      await prefill(runner, prompt(40), { slot: 4 });
      await runner.copyPrefix({ fromSlot: 1, toSlot: 4, numTokens: 13 });
      const next = Int32Array.from([...long.subarray(0, 13), ...prompt(9)]);
      const logits = await prefill(runner, next, { slot: 4, start: 13 });
      assertLogits(logits, expectedLogits(next));
      const sequences = [long, neighbour, next].map((tokenIds) => [...tokenIds, 8]);
      const rows = [1, 3, 4].map((slot, index) => {
        return { slot, position: sequences[index]!.length - 1, tokenId: 8 };
      });
      for (const [index, row] of (await runner.decode(rows)).entries()) {
        assertLogits(row, expectedLogits(sequences[index]!));
      }
    });

    test('leaves a slot with the copied positions only after a copy', async () => {
      await prefill(runner, prompt(9), { slot: 0 });
      await prefill(runner, prompt(30), { slot: 2 });
      await runner.copyPrefix({ fromSlot: 0, toSlot: 2, numTokens: 4 });
      await assert.rejects(
        runner.decode([{ slot: 2, position: 5, tokenId: 1 }]),
        /Slot 2 holds 4 tokens; .* position 5/,
      );
    });

    test('moves both sequences when two slots are exchanged, whichever is longer', async () => {
      const [short, long, neighbour] = [prompt(4), prompt(31), prompt(12)];
      await prefill(runner, short, { slot: 1 });
      await prefill(runner, neighbour, { slot: 2 });
      await prefill(runner, long, { slot: 4 });
      await runner.swapSlots(4, 1);
      const sequences = [long, neighbour, short].map((tokenIds) => [...tokenIds, 8]);
      const rows = [1, 2, 4].map((slot, index) => {
        return { slot, position: sequences[index]!.length - 1, tokenId: 8 };
      });
      for (const [index, row] of (await runner.decode(rows)).entries()) {
        assertLogits(row, expectedLogits(sequences[index]!));
      }
      await assert.rejects(runner.swapSlots(0, 5), /no slot 5/);
    });

    test('rejects impossible copies, with the numbers', async () => {
      await prefill(runner, prompt(6), { slot: 0 });
      for (const [copy, message] of [
        [{ fromSlot: 0, toSlot: 5, numTokens: 2 }, /no slot 5; the slots are 0 to 4/],
        [{ fromSlot: -1, toSlot: 1, numTokens: 2 }, /no slot -1/],
        [{ fromSlot: 0, toSlot: 0, numTokens: 2 }, /Slot 0 cannot be copied to itself/],
        [{ fromSlot: 0, toSlot: 1, numTokens: 7 }, /holds 6 tokens; 7 of them/],
        [{ fromSlot: 0, toSlot: 1, numTokens: 0 }, /holds 6 tokens; 0 of them/],
        [{ fromSlot: 0, toSlot: 1, numTokens: 1.5 }, /holds 6 tokens; 1.5 of them/],
      ] as const) {
        await assert.rejects(runner.copyPrefix(copy), (error) => {
          assert.ok(error instanceof RuntimeError);
          assert.match(error.message, message);
          return true;
        });
      }
    });

    test("puts an image's features in their rows of the prompt, however it is cut", async () => {
      const image = makeImage(2, 2, [30, 41]);
      const features = await encodeAll(runner, image);
      const packed = runner.packFeatures(image, features);
      const before = prompt(4);
      const after = prompt(3);
      const placeholders = new Int32Array(image.numTokens);
      const tokenIds = Int32Array.from([...before, ...placeholders, ...after]);
      const rows = [
        ...embedTokens(model, before),
        ...chunk(packed, TINY_SHAPE.hiddenSize),
        ...embedTokens(model, after),
      ];
      const expected = referenceLogits(model, rows);
      for (const cut of [4, 9, 4 + image.numTokens - 1]) {
        const inFirst = cut - 4;
        const hidden = TINY_SHAPE.hiddenSize;
        await runner.prefill({
          slot: 3,
          start: 0,
          tokenIds: tokenIds.subarray(0, cut),
          features:
            inFirst === 0 ? [] : [{ offset: 4, rows: packed.subarray(0, inFirst * hidden) }],
          needsLogits: false,
        });
        const logits = await runner.prefill({
          slot: 3,
          start: cut,
          tokenIds: tokenIds.subarray(cut),
          features: [{ offset: 0, rows: packed.subarray(inFirst * hidden) }],
          needsLogits: true,
        });
        assertLogits(logits, expected);
      }
    });

    test('encodes tiles to the reference features, one at a time or several at once', async () => {
      const image = makeImage(1, 2, [10, 20]);
      const { tileSize } = TINY_SHAPE;
      const tileBytes = tileSize * tileSize * 3;
      const expected = Array.from({ length: image.numTiles }, (_, tile) =>
        referenceFeatures(
          model,
          image.tiles.subarray(tile * tileBytes, (tile + 1) * tileBytes),
        ).flat(),
      );
      const together = await runner.encodeTiles(image, 0, image.numTiles);
      assertLogits(together, expected.flat());
      assertLogits(await runner.encodeTiles(image, 1, 1), expected[1]!);
    });

    test('keeps the earlier positions usable after an abort before the run', async () => {
      const tokenIds = prompt(12);
      await prefill(runner, tokenIds, { slot: 4 });
      const chunkOf = { slot: 4, start: 6, tokenIds: tokenIds.subarray(6), features: [] };
      await assert.rejects(runner.prefill({ ...chunkOf, needsLogits: true }, AbortSignal.abort()), {
        name: 'AbortError',
      });
      await assert.rejects(
        runner.decode([{ slot: 4, position: 12, tokenId: 1 }]),
        /Slot 4 holds 6 tokens/,
      );
      assertLogits(
        await prefill(runner, tokenIds, { slot: 4, start: 6 }),
        expectedLogits(tokenIds),
      );
    });

    test('rejects steps that do not fit, with the numbers', async () => {
      await prefill(runner, prompt(5), { slot: 0 });
      const base = { slot: 0, start: 0, tokenIds: prompt(2), features: [], needsLogits: true };
      const cases: [Promise<unknown>, RegExp][] = [
        [runner.prefill({ ...base, slot: 5 }), /no slot 5; the slots are 0 to 4/],
        [runner.prefill({ ...base, slot: -1 }), /no slot -1/],
        [runner.prefill({ ...base, tokenIds: new Int32Array(0) }), /slot 0 has no tokens/],
        [runner.prefill({ ...base, start: 9 }), /holds 5 tokens; .* position 9/],
        [
          runner.prefill({ ...base, start: 5, tokenIds: prompt(60) }),
          /chunk of 60 tokens at position 5 ends past slot 0's 64 positions/,
        ],
        [
          runner.prefill({ ...base, features: [{ offset: 1, rows: new Float32Array(48) }] }),
          /2 feature rows at offset 1 do not fit a chunk of 2 tokens/,
        ],
        [
          runner.prefill({ ...base, features: [{ offset: 0, rows: new Float32Array(25) }] }),
          /rows of 24 elements, got 25/,
        ],
        [runner.decode([{ slot: 0, position: 7, tokenId: 1 }]), /holds 5 tokens; .* position 7/],
        [
          runner.decode([
            { slot: 0, position: 5, tokenId: 1 },
            { slot: 0, position: 5, tokenId: 2 },
          ]),
          /Slot 0 is in the step twice/,
        ],
      ];
      for (const [refused, message] of cases) {
        await assert.rejects(refused, (error) => {
          assert.ok(error instanceof RuntimeError);
          assert.match(error.message, message);
          return true;
        });
      }
      await prefill(runner, prompt(SLOT_CAPACITY), { slot: 1 });
      await assert.rejects(
        runner.decode([{ slot: 1, position: SLOT_CAPACITY, tokenId: 1 }]),
        /Position 64 is past slot 1's 64 positions/,
      );
      await assert.rejects(
        runner.decode([{ slot: 0, position: 5, tokenId: 61 }]),
        /Token id 61 is outside the vocabulary of 61 tokens/,
      );
    });

    test('rejects an image with a wrong token count, with both numbers', async () => {
      const image = makeImage(2, 1, [20, 10]);
      const features = await encodeAll(runner, image);
      const wrong = { ...image, numTokens: image.numTokens + 2 };
      assert.throws(
        () => runner.packFeatures(wrong, features),
        new RegExp(
          `packs into ${image.numTokens} features, .* ${image.numTokens + 2} placeholders`,
        ),
      );
    });
  });
}

describe('any two backends', () => {
  const other = TEST_BACKENDS.at(-1) ?? 'node';
  test(`agree on every logit of prefill and ragged decode: ffi and ${other}`, async () => {
    const ffi = await replay('ffi');
    const logits = await replay(other);
    assert.equal(ffi.length, logits.length);
    for (const [index, row] of ffi.entries()) {
      const worst = Math.max(
        ...row.map((value, column) => Math.abs(value - logits[index]![column]!)),
      );
      // Both CPU backends call the same kernels.
      assert.ok(worst <= (other === 'node' ? 1e-6 : 1e-5), `run ${index} differs by ${worst}`);
    }
  });

  test('open a text-only package, which takes no images', async () => {
    const textOnly = await writeTinyPackage(model, { withVision: false });
    const backend = await openTestBackend();
    const runner = await openModelRunner({
      packageDir: textOnly.packageDir,
      manifest: textOnly.manifest,
      backend,
      numThreads: 2,
      numSlots: 1,
      slotCapacity: 16,
    });
    const tokenIds = prompt(5);
    assertLogits(await prefill(runner, tokenIds, { slot: 0 }), expectedLogits(tokenIds));
    const image = makeImage(1, 1, [10, 10]);
    await assert.rejects(async () => runner.encodeTiles(image, 0, 1), /takes no images/);
    await runner.dispose();
    await textOnly.remove();
  });

  test('reject a package whose graphs are not those of its manifest', async () => {
    const backend = await openTestBackend();
    const { manifest, packageDir } = tiny;
    const open = (changed: Manifest): Promise<ModelRunner> =>
      openModelRunner({
        packageDir,
        manifest: changed,
        backend,
        numThreads: 1,
        numSlots: 1,
        slotCapacity: 8,
      });
    const { text, graphs } = manifest;
    await assert.rejects(
      open({ ...manifest, text: { ...text, numLayers: 1 } }),
      /decoder.onnx's inputs do not match the manifest: past_key.1, past_value.1 not expected/,
    );
    await assert.rejects(
      open({ ...manifest, text: { ...text, numLayers: 3 } }),
      /decoder.onnx's inputs .* past_key.2, past_value.2 missing/,
    );
    await assert.rejects(
      open({ ...manifest, graphs: { ...graphs, embed: 'vision.onnx' } }),
      /vision.onnx's inputs .* input_ids missing; tiles not expected/,
    );
    await assert.rejects(
      open({ ...manifest, graphs: { ...graphs, vision: 'gone.onnx' } }),
      /gone.onnx cannot be loaded/,
    );
    await assert.rejects(
      open({ ...manifest, text: { ...text, hiddenSize: 32 } }),
      /newline.bin has 96 bytes, expected 128/,
    );
  });

  test('reject slots that the model cannot fill, naming the limit', async () => {
    const backend = await openTestBackend();
    const options = {
      packageDir: tiny.packageDir,
      manifest: tiny.manifest,
      backend,
      numThreads: 1,
      numSlots: 1,
      slotCapacity: TINY_SHAPE.maxPositions + 1,
    };
    await assert.rejects(openModelRunner(options), /must be 1 to 96 positions, got 97/);
    await assert.rejects(
      openModelRunner({ ...options, numSlots: 0, slotCapacity: 8 }),
      /slots must be 1 or more, got 0/,
    );
  });
});

/** Runs the same prompts and steps on a backend. @returns every row of logits */
async function replay(name: TestBackend): Promise<Float32Array[]> {
  const runner = await openTiny(name);
  const tokens = new Random(99);
  const outputs: Float32Array[] = [];
  const lengths: readonly (readonly [slot: number, length: number])[] = [
    [0, 8],
    [1, 21],
    [3, 2],
  ];
  for (const [slot, length] of lengths) {
    const tokenIds = tokens.ints(length, TINY_SHAPE.vocabSize);
    const logits = await prefill(runner, tokenIds, { slot, cuts: length > 7 ? [7] : [] });
    outputs.push(logits!);
  }
  for (let step = 0; step < 4; step += 1) {
    const rows = lengths.map(([slot, length]) => {
      return { slot, position: length + step, tokenId: tokens.below(TINY_SHAPE.vocabSize) };
    });
    const logits = await runner.decode(rows);
    outputs.push(...logits.map((row) => row.slice()));
  }
  await runner.dispose();
  return outputs;
}

function argmax(values: ArrayLike<number>): number {
  return Array.from(values).reduce(
    (best, value, index) => (value > values[best]! ? index : best),
    0,
  );
}

function chunk(values: Float32Array, size: number): number[][] {
  return Array.from({ length: values.length / size }, (_, row) => [
    ...values.subarray(row * size, (row + 1) * size),
  ]);
}

/** Encodes an image two tiles at a time, as the engine does. */
async function encodeAll(runner: ModelRunner, image: TiledImage): Promise<Float32Array> {
  const parts: number[] = [];
  for (let first = 0; first < image.numTiles; first += 2) {
    parts.push(...(await runner.encodeTiles(image, first, Math.min(2, image.numTiles - first))));
  }
  return Float32Array.from(parts);
}
