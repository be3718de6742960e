import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { decodeImage } from '../../src/server/prompt/images/decode.ts';
import { tileImage } from '../../src/server/prompt/images/tile.ts';

const DATA = 'test/golden/data/tiles';
const LIMITS = { maxPixels: 10_000_000, timeoutMs: 10_000 };

interface TileCase {
  readonly picture: string;
  readonly tileSize: number;
  readonly pinpoints: [number, number][];
  readonly resample: 'bicubic' | 'bilinear';
  readonly numTiles: number;
  readonly sha256: string;
}

describe("AnyRes tiles against transformers' image processor", () => {
  const cases: TileCase[] = JSON.parse(readFileSync(join(DATA, 'tiles.json'), 'utf8'));

  it('covers scaling up and down with both filters for images of the usual formats', () => {
    const formats = new Set(cases.map(({ picture }) => picture.split('.').pop()));
    assert.deepEqual(formats, new Set(['png', 'jpg', 'webp']));
    assert.ok(cases.length >= 40);
    assert.deepEqual(new Set(cases.map((c) => c.resample)), new Set(['bicubic', 'bilinear']));
  });

  for (const { picture, tileSize, pinpoints, resample, numTiles, sha256 } of cases) {
    it(`cuts ${picture} into the same pixels (${resample}, ${pinpoints.length} grids of ${tileSize})`, async () => {
      const image = await decodeImage(readFileSync(join(DATA, picture)), LIMITS, 'picture');
      const shape = { tileSize, patchesPerSide: 4, gridPinpoints: pinpoints, resample };
      const tiled = tileImage(image, shape);
      assert.equal(tiled.numTiles, numTiles);
      assert.equal(createHash('sha256').update(tiled.tiles).digest('hex'), sha256);
    });
  }
});
