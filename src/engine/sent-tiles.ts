import type { LRUCache } from 'lru-cache';
import { byteCache } from './byte-cache.ts';
import type { GenerationRequest } from './generation.ts';
import type { TiledImage } from './model-runner.ts';

/**
 * Bytes of tiles that each end of the connection to an engine process keeps. The largest image of R-4B has ten tiles of
 * 0.44 MB. Both ends process the same requests in the same order, so both caches evict the same images and the sender
 * knows what the receiver has.
 */
export const SENT_TILE_BYTES = 64 * 2 ** 20;

const LEFT_OUT = new Uint8Array(0);

/** The sending end: leaves out tiles that the engine process has. */
export class SentTiles {
  /** Bytes of the tiles, by content hash. */
  readonly #sent: LRUCache<string, number>;

  constructor(maxBytes: number) {
    this.#sent = byteCache(maxBytes, (numBytes) => numBytes);
  }

  /** Call this for every request that is sent, and for no other. */
  leaveOut(request: GenerationRequest): GenerationRequest {
    return withImages(request, (image) => {
      const { hash, tiles } = image;
      const isKnown = this.#sent.get(hash) !== undefined;
      this.#sent.set(hash, tiles.byteLength);
      return isKnown ? { ...image, tiles: LEFT_OUT } : image;
    });
  }
}

/** The receiving end: puts the tiles back that the sender left out. */
export class ReceivedTiles {
  /** By content hash. */
  readonly #received: LRUCache<string, Uint8Array>;

  constructor(maxBytes: number) {
    this.#received = byteCache(maxBytes, ({ byteLength }) => byteLength);
  }

  /** @throws Error when tiles are missing because the two ends disagree */
  putBack(request: GenerationRequest): GenerationRequest {
    return withImages(request, (image) => {
      const { hash } = image;
      const tiles = image.tiles.byteLength > 0 ? image.tiles : this.#received.get(hash);
      if (tiles === undefined) throw new Error(`The tiles of image ${hash} never came.`);
      this.#received.set(hash, tiles);
      return { ...image, tiles };
    });
  }
}

function withImages(
  request: GenerationRequest,
  change: (image: TiledImage) => TiledImage,
): GenerationRequest {
  return request.images.length === 0 ? request : { ...request, images: request.images.map(change) };
}
