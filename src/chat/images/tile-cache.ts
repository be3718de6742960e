import { createHash } from 'node:crypto';
import type { TiledImage } from '../../engine/model-runner.ts';
import type { TilingJob } from './tiling-worker.ts';

/** What turns a picture's bytes into tiles. */
export interface Tiler {
  tile(job: TilingJob): Promise<TiledImage>;
}

/**
 * Remembers the tiles of pictures by the hash of their bytes, least recently used out first: every turn of a
 * conversation brings its pictures again, and decoding and resizing them costs more than all the rest of the turn.
 */
export class TileCache implements Tiler {
  readonly #tiler: Tiler;
  readonly #maxBytes: number;
  /** In order of use, the longest unused first. */
  readonly #images = new Map<string, TiledImage>();
  #numBytes = 0;

  /** @param maxBytes most bytes of tiles kept; 0 keeps none */
  constructor(tiler: Tiler, maxBytes: number) {
    this.#tiler = tiler;
    this.#maxBytes = maxBytes;
  }

  /** @throws ChatInputError when the picture is refused; refusals are not remembered */
  async tile(job: TilingJob): Promise<TiledImage> {
    const key = `${job.maxTiles} ${createHash('sha256').update(job.bytes).digest('base64')}`;
    const known = this.#images.get(key);
    const image = known ?? (await this.#tiler.tile(job));
    this.#delete(key);
    if (image.tiles.byteLength > this.#maxBytes) return image;
    this.#images.set(key, image);
    this.#numBytes += image.tiles.byteLength;
    for (const oldest of this.#images.keys()) {
      if (this.#numBytes <= this.#maxBytes) break;
      this.#delete(oldest);
    }
    return image;
  }

  #delete(key: string): void {
    this.#numBytes -= this.#images.get(key)?.tiles.byteLength ?? 0;
    this.#images.delete(key);
  }
}
