import { ByteBoundedCache } from './byte-bounded-cache.ts';
import type { GenerationRequest } from './generation.ts';
import type { TiledImage } from './model-runner.ts';

/**
 * Bytes of tiles kept for images that come again: R-4B's largest have ten of 0.44 MB. Both ends of the connection to an
 * engine process keep a cache: the same requests in the same order make the same images stay, so each end knows what the
 * other has.
 */
export const KNOWN_TILE_BYTES = 64 * 2 ** 20;

const LEFT_OUT = new Uint8Array(0);

/** The sending end: leaves out the tiles that the process has. */
export class SentTiles {
  /** Bytes of the tiles, by content hash. */
  readonly #sent: ByteBoundedCache<number>;

  constructor(maxBytes: number) {
    this.#sent = new ByteBoundedCache(maxBytes, (numBytes) => numBytes);
  }

  /** To be called for every request that is sent, and for no other. */
  leaveOut(request: GenerationRequest): GenerationRequest {
    return withImages(request, (image) => {
      const { hash, tiles } = image;
      const isKnown = this.#sent.get(hash) !== undefined;
      this.#sent.set(hash, tiles.byteLength);
      return isKnown ? { ...image, tiles: LEFT_OUT } : image;
    });
  }
}

/** The receiving end: puts back what was left out. */
export class ReceivedTiles {
  /** By content hash. */
  readonly #received: ByteBoundedCache<Uint8Array>;

  constructor(maxBytes: number) {
    this.#received = new ByteBoundedCache(maxBytes, ({ byteLength }) => byteLength);
  }

  /** @throws Error when tiles are missing: the two ends do not agree */
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
