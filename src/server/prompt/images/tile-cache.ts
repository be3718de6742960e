import { createHash } from 'node:crypto';
import type { LRUCache } from 'lru-cache';
import { byteCache } from '../../../engine/byte-cache.ts';
import type { TiledImage } from '../../../engine/model-runner.ts';
import type { TilingJob } from './tiling-worker.ts';

/** What turns an image's bytes into tiles. */
export interface Tiler {
  tile(job: TilingJob): Promise<TiledImage>;
}

/**
 * Remembers the tiles of images by the hash of their bytes, least recently used out first: every turn of a
 * conversation brings its images again, and decoding and resizing them costs more than all the rest of the turn.
 */
export class TileCache implements Tiler {
  readonly #tiler: Tiler;
  readonly #images: LRUCache<string, TiledImage>;

  /** @param maxBytes most bytes of tiles kept; 0 keeps none */
  constructor(tiler: Tiler, maxBytes: number) {
    this.#tiler = tiler;
    this.#images = byteCache(maxBytes, ({ tiles }) => tiles.byteLength);
  }

  /** @throws ChatInputError when the image is refused; refusals are not remembered */
  async tile(job: TilingJob): Promise<TiledImage> {
    const key = `${job.maxTiles} ${createHash('sha256').update(job.bytes).digest('base64')}`;
    const known = this.#images.get(key);
    if (known !== undefined) return known;
    const image = await this.#tiler.tile(job);
    this.#images.set(key, image);
    return image;
  }
}
