import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ConvertError } from '../../../../src/converter/convert-error.ts';
import {
  int8KvDecoder,
  type KvScales,
} from '../../../../src/converter/quantization/int8-kv-graph.ts';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import {
  openModelRunner,
  type PackageRunner,
} from '../../../../src/engine/runtime/onnx-model-runner.ts';
import { Random } from '../../../helpers/random.ts';
import { addInt8Kv, tinyScales } from '../../../helpers/tiny-int8-kv.ts';
import {
  makeTinyModel,
  TINY_SHAPE,
  type TinyPackage,
  writeTinyPackage,
} from '../../../helpers/tiny-model.ts';
import { embedTokens, referenceLogits, type Stored } from '../../../helpers/tiny-reference.ts';

const model = makeTinyModel();
const random = new Random(31);
let tiny: TinyPackage;

before(async () => {
  tiny = await writeTinyPackage(model);
});
after(() => tiny.remove());

/** The numbers a cache of these scales gives back. */
function storedWith(layers: readonly KvScales[]): Stored {
  return (values, layer, kind) =>
    values.map((value, channel) => {
      const scale = layers[layer]![kind][channel]!;
      return Math.min(127, Math.max(-128, Math.round(value / scale))) * scale;
    });
}

async function open(name: 'ffi' | 'node', layers: readonly KvScales[]): Promise<PackageRunner> {
  const { packageDir } = tiny;
  const manifest = await addInt8Kv(tiny, layers);
  const { backend } = await openBackend(name);
  const place = { packageDir, manifest, backend, numThreads: 1 };
  return openModelRunner({ ...place, numSlots: 4, slotCapacity: 64, kvCache: 'int8' });
}

async function prefill(
  runner: PackageRunner,
  tokenIds: Int32Array,
  { slot = 0, start = 0 } = {},
): Promise<Float32Array> {
  const chunk = { slot, start, tokenIds, features: [], needsLogits: true };
  return (await runner.prefill(chunk))!.slice();
}

function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  return Math.max(...Array.from(expected, (value, i) => Math.abs(value - actual[i]!)));
}

for (const name of ['ffi', 'node'] as const) {
  describe(`a decoder with an int8 KV cache on the ${name} backend`, () => {
    // What two runs of 20 random tokens need, and half of it: then much is clipped.
    for (const [what, range] of [
      ['fitting', 8],
      ['clipping', 1.5],
    ] as const) {
      it(`computes what keys and values in 8 bits give, scale by scale (${what})`, async () => {
        const layers = tinyScales(range);
        const runner = await open(name, layers);
        const tokenIds = random.ints(20, TINY_SHAPE.vocabSize);
        const expected = referenceLogits(model, embedTokens(model, tokenIds), storedWith(layers));
        const actual = await prefill(runner, tokenIds);
        // Rounding may fall the other way where a value lies between two steps.
        assert.ok(worst(actual, expected) < 0.05, `off by ${worst(actual, expected)}`);
        const exact = referenceLogits(model, embedTokens(model, tokenIds));
        assert.ok(worst(actual, exact) > 0.002, 'it is not the float32 cache');
        await runner.dispose();
      });
    }

    it('gives the same logits to the bit whole, in chunks, step by step and in a batch with others', async () => {
      const runner = await open(name, tinyScales(8));
      const tokenIds = random.ints(23, TINY_SHAPE.vocabSize);
      const whole = await prefill(runner, tokenIds);
      await prefill(runner, tokenIds.subarray(0, 9), { slot: 2 });
      const chunked = await prefill(runner, tokenIds.subarray(9), { slot: 2, start: 9 });
      assert.deepEqual(chunked, whole);

      await prefill(runner, tokenIds.subarray(0, 19), { slot: 1 });
      const draft = [...tokenIds.subarray(19)];
      const verified = await runner.verify({ slot: 1, position: 19, tokenIds: draft });
      assert.deepEqual(verified.at(-1), whole);

      await prefill(runner, random.ints(7, TINY_SHAPE.vocabSize), { slot: 0 });
      await prefill(runner, random.ints(31, TINY_SHAPE.vocabSize), { slot: 3 });
      await prefill(runner, tokenIds.subarray(0, 22), { slot: 2 });
      const [, among] = await runner.decode([
        { slot: 0, position: 7, tokenId: 3 },
        { slot: 2, position: 22, tokenId: tokenIds[22]! },
        { slot: 3, position: 31, tokenId: 5 },
      ]);
      assert.deepEqual(among, whole);
      await runner.dispose();
    });

    it('goes on from copied prefixes and swapped slots', async () => {
      const runner = await open(name, tinyScales(8));
      const tokenIds = random.ints(18, TINY_SHAPE.vocabSize);
      const whole = await prefill(runner, tokenIds, { slot: 3 });
      await prefill(runner, random.ints(30, TINY_SHAPE.vocabSize), { slot: 1 });
      await runner.copyPrefix({ fromSlot: 3, toSlot: 0, numTokens: 11 });
      const copied = await prefill(runner, tokenIds.subarray(11), { slot: 0, start: 11 });
      assert.deepEqual(copied, whole);
      await runner.swapSlots(0, 1);
      const row = { slot: 1, position: 17, tokenId: tokenIds[17]! };
      assert.deepEqual((await runner.decode([row]))[0], whole);
      await runner.dispose();
    });
  });
}

describe('making a decoder with an int8 KV cache', () => {
  const read = async (): Promise<Uint8Array> =>
    new Uint8Array(await readFile(join(tiny.packageDir, 'decoder.onnx')));

  it('rejects a graph that lacks a layer, or has such a cache already', async () => {
    const decoder = await read();
    const deeper = { ...TINY_SHAPE, numLayers: 3 };
    const layers = [...tinyScales(8), ...tinyScales(8).slice(0, 1)];
    assert.throws(
      () => int8KvDecoder(decoder, layers, deeper),
      new ConvertError('The decoder graph has no GroupQueryAttention over past_key.2.'),
    );
    const once = int8KvDecoder(decoder, tinyScales(8), TINY_SHAPE);
    assert.throws(() => int8KvDecoder(once, tinyScales(8), TINY_SHAPE), /has 14 inputs/);
  });

  it('rejects scales that are none', async () => {
    const decoder = await read();
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const layers = tinyScales(8);
      layers[1]!.value[3] = bad;
      assert.throws(() => int8KvDecoder(decoder, layers, TINY_SHAPE), /32 positive scales/);
    }
    assert.throws(() => int8KvDecoder(decoder, tinyScales(8).slice(1), TINY_SHAPE), /2 layers/);
  });

  it('is not there for a package without it', async () => {
    const { packageDir, manifest } = tiny;
    const { backend } = await openBackend('ffi');
    const place = { packageDir, manifest, backend, numThreads: 1 };
    await assert.rejects(
      openModelRunner({ ...place, numSlots: 1, slotCapacity: 8, kvCache: 'int8' }),
      /no decode graph for an int8 KV cache/,
    );
  });
});
