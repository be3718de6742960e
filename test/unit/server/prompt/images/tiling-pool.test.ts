import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { ChatInputError } from '../../../../../src/server/prompt/chat-input-error.ts';
import { decodeImage } from '../../../../../src/server/prompt/images/decode.ts';
import { tileImage } from '../../../../../src/server/prompt/images/tile.ts';
import { TilingPool } from '../../../../../src/server/prompt/images/tiling-pool.ts';
import { scratchDir } from '../../../../helpers/scratch-dir.ts';

const SHAPE = {
  tileSize: 8,
  patchesPerSide: 2,
  gridPinpoints: [
    [8, 8],
    [8, 16],
  ] as [number, number][],
  resample: 'bicubic',
} as const;
const DATA = { shape: SHAPE, maxPixels: 10_000, timeoutMs: 10_000 };

function image(red: number): Promise<Buffer> {
  const background = { r: red, g: 0, b: 0 };
  return sharp({ create: { width: 20, height: 10, channels: 3, background } })
    .png()
    .toBuffer();
}

describe('tiling on threads', () => {
  const pool = new TilingPool(DATA, 2);
  after(() => pool.close());

  it('gives what tiling here gives', async () => {
    const bytes = await image(77);
    const expected = tileImage(await decodeImage(bytes, DATA, ''), SHAPE);
    assert.deepEqual(await pool.tile({ bytes, param: 'p', maxTiles: null }), expected);
  });

  it('leaves the grid out when only the base is wanted', async () => {
    const tiled = await pool.tile({ bytes: await image(1), param: 'p', maxTiles: 0 });
    assert.equal(tiled.numTiles, 1);
  });

  it('answers every one of many images with its own tiles', async () => {
    const reds = Array.from({ length: 12 }, (_, index) => index * 20);
    const tiled = await Promise.all(
      reds.map(async (red) => pool.tile({ bytes: await image(red), param: 'p', maxTiles: 0 })),
    );
    assert.deepEqual(
      tiled.map(({ tiles }) => tiles[0]),
      reds,
    );
  });

  it('carries a refusal across with its code and place', async () => {
    const job = {
      bytes: Buffer.from('no image'),
      param: 'messages[3].content[0]',
      maxTiles: null,
    };
    await assert.rejects(
      pool.tile(job),
      (error: unknown) =>
        error instanceof ChatInputError &&
        error.code === 'unsupported_image_format' &&
        error.param === 'messages[3].content[0]',
    );
  });

  it('keeps working after a refusal', async () => {
    await assert.rejects(pool.tile({ bytes: Buffer.alloc(3), param: 'p', maxTiles: null }));
    const tiled = await pool.tile({ bytes: await image(5), param: 'p', maxTiles: 0 });
    assert.equal(tiled.tiles[0], 5);
  });
});

describe('closing the pool', () => {
  it('refuses what waits and what comes later', async () => {
    const pool = new TilingPool(DATA, 1);
    const bytes = await image(9);
    const jobs = [0, 1, 2].map(() => pool.tile({ bytes, param: 'p', maxTiles: null }));
    const settled = Promise.allSettled(jobs);
    await pool.close();
    assert.ok((await settled).every(({ status }) => status === 'rejected'));
    await assert.rejects(pool.tile({ bytes, param: 'p', maxTiles: null }), /closed/);
  });

  it('starts a new thread when one dies, and fails only the image it worked on', async (test) => {
    // Ends at an empty image; answers any other with its bytes as tiles.
    const program = `
      export function tile({ bytes }) {
        if (bytes.length === 0) process.exit(3);
        return { type: 'tiled', image: { tiles: bytes } };
      }`;
    const path = join(scratchDir(test), 'worker.mjs');
    await writeFile(path, program);
    const pool = new TilingPool(DATA, 1, pathToFileURL(path));
    const [died, alive] = await Promise.allSettled(
      [[], [7]].map((bytes) =>
        pool.tile({ bytes: Uint8Array.from(bytes), param: 'p', maxTiles: null }),
      ),
    );
    assert.ok(died?.status === 'rejected' && /exited with code: 3/.test(String(died.reason)));
    assert.ok(alive?.status === 'fulfilled' && alive.value.tiles[0] === 7);
    await pool.close();
  });

  it('reports a failure that is not the image’s as an error of its own', async () => {
    const pool = new TilingPool({ ...DATA, shape: Object.create(null) }, 1);
    await assert.rejects(
      pool.tile({ bytes: await image(9), param: 'p', maxTiles: null }),
      (error: unknown) => error instanceof Error && !(error instanceof ChatInputError),
    );
    await pool.close();
  });
});
