import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import { Decoder } from '../../../../src/engine/runtime/decoder.ts';
import { HostKvCache } from '../../../../src/engine/runtime/host-kv-cache.ts';
import { CACHE_ELEMENT_TYPES } from '../../../../src/engine/runtime/kv-cache.ts';
import { openModelRunner } from '../../../../src/engine/runtime/onnx-model-runner.ts';
import { DECODER_IO } from '../../../../src/package/graph-io.ts';
import { Random } from '../../../helpers/random.ts';
import {
  makeTinyModel,
  TINY_SHAPE,
  type TinyPackage,
  writeTinyPackage,
} from '../../../helpers/tiny-model.ts';

const GIBIBYTE = 2 ** 30;
const MEBIBYTE = 2 ** 20;
const NUM_SLOTS = 4;
const CAPACITY = 32;
const SHAPE = { numSlots: NUM_SLOTS, slotCapacity: CAPACITY };
const BYTES = { float32: 4, float16: 2, int8: 1 };

describe('the KV cache', () => {
  const model = makeTinyModel();
  let tiny: TinyPackage;
  before(async () => {
    tiny = await writeTinyPackage(model);
  });
  after(() => tiny.remove());

  for (const name of ['ffi', 'node'] as const) {
    test(`is written in place by the ${name} backend, only at the positions of the step`, async () => {
      const { backend } = await openBackend(name);
      const { text } = tiny.manifest;
      const cache = new HostKvCache({ text, ...SHAPE, elementType: 'float32' });
      const session = await backend.createSession(join(tiny.packageDir, 'decoder.onnx'), {
        numThreads: 1,
        keepBindings: true,
      });
      const decoder = new Decoder(session, NUM_SLOTS, text);
      const random = new Random(2);
      const { hiddenSize } = TINY_SHAPE;

      await decoder.run({
        span: await cache.sequenceSpan(2),
        embeddings: { data: random.floats(5 * hiddenSize) },
        tokensPerSlot: 5,
        lastPositions: [4],
        logitRows: [4],
      });
      assert.deepEqual(await writtenPositions(cache), [[], [], [0, 1, 2, 3, 4], []]);

      const before = await snapshot(cache, 2);
      await decoder.run({
        span: await cache.batchSpan([2, 1]),
        embeddings: { data: random.floats(2 * hiddenSize) },
        tokensPerSlot: 1,
        lastPositions: [7, 5],
        logitRows: [1, 0],
      });
      assert.deepEqual(await writtenPositions(cache), [[], [7], [0, 1, 2, 3, 4, 5], []]);
      const kept = await snapshot(cache, 2);
      for (const [index, position] of before.entries()) {
        if (index % CAPACITY < 5) assert.deepEqual(kept[index], position);
      }
      await decoder.dispose();
    });
  }

  for (const elementType of CACHE_ELEMENT_TYPES) {
    test(`spans the same ${elementType} memory as feeds and fetches, one view each`, async () => {
      const { text } = tiny.manifest;
      const cache = new HostKvCache({ text, ...SHAPE, elementType });
      const slotElements = text.numKvHeads * CAPACITY * text.headDim;
      const { feeds, fetches, firstSlot, numSlots } = await cache.batchSpan([3, 1]);
      assert.deepEqual({ firstSlot, numSlots }, { firstSlot: 1, numSlots: 3 });
      for (let layer = 0; layer < text.numLayers; layer += 1) {
        for (const [past, present] of [
          [DECODER_IO.pastKey(layer), DECODER_IO.presentKey(layer)],
          [DECODER_IO.pastValue(layer), DECODER_IO.presentValue(layer)],
        ] as const) {
          const [feed, fetch] = [feeds[past]!, fetches[present]!];
          assert.deepEqual(feed.dims, [3, text.numKvHeads, CAPACITY, text.headDim]);
          assert.equal(feed.data.buffer, fetch.data.buffer);
          assert.equal(feed.data.byteOffset, fetch.data.byteOffset);
          assert.equal(feed.type, elementType);
          assert.equal(feed.data.byteOffset, slotElements * BYTES[elementType]);
          assert.equal(feed.data.length, 3 * slotElements);
        }
      }
      const buffers = new Set(Object.values(feeds).map((tensor) => tensor.data.buffer));
      assert.equal(buffers.size, 2 * text.numLayers);
    });

    test(`copies and exchanges only the tokens that slots of ${elementType} hold`, async () => {
      const { text } = tiny.manifest;
      const cache = new HostKvCache({ text, ...SHAPE, elementType });
      await fill(cache, 1, 9, 11);
      await fill(cache, 3, 4, 50);
      await cache.copyPrefix({ fromSlot: 1, toSlot: 0, numTokens: 5 });
      await cache.swap(0, 3);
      await cache.swap(1, 2);
      assert.deepEqual(
        [0, 1, 2, 3].map((slot) => cache.lengths[slot]),
        [4, 0, 9, 5],
      );
      const [first, , third, last] = await Promise.all(
        [0, 1, 2, 3].map((slot) => snapshot(cache, slot)),
      );
      for (let row = 0; row < third!.length; row += 1) {
        const position = row % CAPACITY;
        const value = (seed: number): number[] => rowValues(seed, row);
        if (position < 4) assert.deepEqual(first![row], value(50));
        if (position < 9) assert.deepEqual(third![row], value(11));
        if (position < 5) assert.deepEqual(last![row], value(11));
      }
      assert.deepEqual(await writtenPositions(cache), [
        [0, 1, 2, 3],
        [],
        [0, 1, 2, 3, 4, 5, 6, 7, 8],
        [0, 1, 2, 3, 4],
      ]);
    });
  }

  test('takes memory for its tokens, not for its capacity', async () => {
    const shape = { ...TINY_SHAPE, numKvHeads: 4, headDim: 64, maxPositions: 2 ** 15 };
    const large = makeTinyModel(shape);
    const largePackage = await writeTinyPackage(large, { withVision: false });
    const { backend } = await openBackend('ffi');
    const rss = (): number => process.memoryUsage().rss;
    const slotBytes = 2 * shape.numLayers * shape.numKvHeads * shape.maxPositions * 64 * 4;
    const capacityBytes = 16 * slotBytes;
    assert.equal(capacityBytes, 2 * GIBIBYTE);
    const empty = rss();
    const runner = await openModelRunner({
      packageDir: largePackage.packageDir,
      manifest: largePackage.manifest,
      backend,
      numThreads: 1,
      numSlots: 16,
      slotCapacity: 2 ** 15,
    });
    for (let position = 0; position < 32; position += 1) {
      await runner.decode([
        { slot: 0, position, tokenId: 1 },
        { slot: 15, position, tokenId: 2 },
      ]);
    }
    const grown = rss() - empty;
    assert.ok(grown < 200 * MEBIBYTE, `${Math.round(grown / MEBIBYTE)} MiB for 64 tokens`);
    await runner.dispose();
    await largePackage.remove();
  });
});

describe('an aborted prefill', () => {
  test('stops, and the slot continues after the chunk before it', async () => {
    const shape = { ...TINY_SHAPE, hiddenSize: 128, numLayers: 8, maxPositions: 4096 };
    const model = makeTinyModel(shape, 4);
    const tiny = await writeTinyPackage(model, { withVision: false });
    const { backend } = await openBackend('ffi');
    const runner = await openModelRunner({
      packageDir: tiny.packageDir,
      manifest: tiny.manifest,
      backend,
      numThreads: 1,
      numSlots: 2,
      slotCapacity: 4096,
    });
    const tokenIds = new Random(8).ints(3000, shape.vocabSize);
    const chunk = (slot: number, start: number) => ({
      slot,
      start,
      tokenIds: tokenIds.subarray(start, start === 0 ? 100 : undefined),
      features: [],
      needsLogits: start > 0,
    });
    await runner.prefill(chunk(1, 0));
    const expected = (await runner.prefill(chunk(1, 100)))?.slice();

    await runner.prefill(chunk(0, 0));
    const controller = new AbortController();
    let turns = 0;
    const aborted = runner.prefill(chunk(0, 100), controller.signal);
    const outcome = assert.rejects(aborted, { name: 'AbortError' });
    while (turns < 50) {
      await setImmediate();
      turns += 1;
    }
    controller.abort();
    await outcome;
    await assert.rejects(
      runner.decode([{ slot: 0, position: 3000, tokenId: 1 }]),
      /Slot 0 holds 100 tokens/,
    );
    assert.deepEqual(await runner.prefill(chunk(0, 100)), expected);
    await runner.dispose();
    await tiny.remove();
  });
});

/** Returns, for every slot, the positions at which any key or value of any layer is not zero. */
async function writtenPositions(cache: HostKvCache): Promise<number[][]> {
  const slots = [];
  for (let slot = 0; slot < cache.numSlots; slot += 1) {
    const written = new Set<number>();
    for (const [index, row] of (await snapshot(cache, slot)).entries()) {
      if (row.some((value) => value !== 0)) written.add(index % CAPACITY);
    }
    slots.push([...written].sort((left, right) => left - right));
  }
  return slots;
}

/** Writes a sequence of some tokens into a slot. */
async function fill(
  cache: HostKvCache,
  slot: number,
  numTokens: number,
  seed: number,
): Promise<void> {
  const { feeds } = await cache.sequenceSpan(slot);
  let row = 0;
  for (const { data } of Object.values(feeds)) {
    for (let start = 0; start < data.length; start += TINY_SHAPE.headDim, row += 1) {
      if (row % CAPACITY >= numTokens) continue;
      for (const [at, value] of rowValues(seed, row).entries()) data[start + at] = value;
    }
  }
  cache.lengths[slot] = numTokens;
}

/** The values that `fill` writes into a slot's row: small numbers that every element type can hold. */
function rowValues(seed: number, row: number): number[] {
  return Array.from({ length: TINY_SHAPE.headDim }, (_, at) => 1 + ((seed + 7 * row + at) % 100));
}

/** Copies every [headDim] row of a slot in all layers. A row's position is its index modulo the capacity. */
async function snapshot(cache: HostKvCache, slot: number): Promise<number[][]> {
  const { headDim } = TINY_SHAPE;
  const { feeds } = await cache.sequenceSpan(slot);
  return Object.values(feeds).flatMap(({ data }) => {
    const values = [...data].map(Number);
    return Array.from({ length: values.length / headDim }, (_, row) =>
      values.slice(row * headDim, (row + 1) * headDim),
    );
  });
}
