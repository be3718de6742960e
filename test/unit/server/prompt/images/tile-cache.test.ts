import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TileCache } from '../../../../../src/server/prompt/images/tiling-pool.ts';
import type { TilingJob } from '../../../../../src/server/prompt/images/tiling-worker.ts';
import { imageOf } from '../../../../helpers/engine-bench.ts';

/** An image of ten bytes of tiles; counts what is tiled. */
function benchOf(maxBytes: number) {
  const tiled: string[] = [];
  const cache = new TileCache(
    {
      tile: async ({ bytes, maxTiles }: TilingJob) => {
        const name = Buffer.from(bytes).toString();
        if (name === 'bad') throw new Error('refused');
        tiled.push(`${name} ${maxTiles}`);
        return { ...imageOf(name, 1, 4), tiles: new Uint8Array(10) };
      },
    },
    maxBytes,
  );
  const tile = (name: string, maxTiles: number | null = null) =>
    cache.tile({ bytes: Buffer.from(name), param: 'p', maxTiles });
  return { tile, tiled };
}

it('an image that comes again is not tiled again', async () => {
  const { tile, tiled } = benchOf(100);
  const first = await tile('a');
  assert.equal(await tile('a'), first);
  assert.equal((await tile('b')).hash, 'b');
  assert.deepEqual(tiled, ['a null', 'b null']);
});

it('the same bytes with another limit of tiles are another image', async () => {
  const { tile, tiled } = benchOf(100);
  await tile('a', 0);
  await tile('a', null);
  await tile('a', 0);
  assert.deepEqual(tiled, ['a 0', 'a null']);
});

it('the longest unused goes first, and what is larger than the cache is not kept', async () => {
  const { tile, tiled } = benchOf(20);
  for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await tile(name);
  assert.deepEqual(tiled, ['a null', 'b null', 'c null', 'b null']);
  const none = benchOf(9);
  await none.tile('a');
  await none.tile('a');
  assert.equal(none.tiled.length, 2);
});

it('refusals are refused again', async () => {
  const { tile } = benchOf(100);
  await assert.rejects(tile('bad'), /refused/);
  await assert.rejects(tile('bad'), /refused/);
});
