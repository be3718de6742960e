import type { GenerationRequest } from '../engine/generation.ts';
import type { TiledImage } from '../engine/model-runner.ts';

/** Tiles kept for pictures that come again: R-4B's largest have ten of 0.44 MB. */
export const KNOWN_TILE_BYTES = 64 * 2 ** 20;

const LEFT_OUT = new Uint8Array(0);

/**
 * Pictures by content hash, the longest unused first out. Both ends of the connection to an engine process keep one:
 * the same requests in the same order make the same pictures stay, so each end knows what the other has.
 */
class Recent<Kept> {
  readonly #maxBytes: number;
  readonly #pictures = new Map<string, { readonly kept: Kept; readonly bytes: number }>();
  #numBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(hash: string): Kept | undefined {
    return this.#pictures.get(hash)?.kept;
  }

  use(hash: string, kept: Kept, bytes: number): void {
    this.#delete(hash);
    if (bytes > this.#maxBytes) return;
    this.#pictures.set(hash, { kept, bytes });
    this.#numBytes += bytes;
    for (const oldest of this.#pictures.keys()) {
      if (this.#numBytes <= this.#maxBytes) return;
      this.#delete(oldest);
    }
  }

  #delete(hash: string): void {
    this.#numBytes -= this.#pictures.get(hash)?.bytes ?? 0;
    this.#pictures.delete(hash);
  }
}

/** The sending end: leaves out the tiles that the process has. */
export class SentTiles {
  readonly #sent: Recent<true>;

  constructor(maxBytes: number) {
    this.#sent = new Recent(maxBytes);
  }

  /** To be called for every request that is sent, and for no other. */
  leaveOut(request: GenerationRequest): GenerationRequest {
    return withImages(request, (image) => {
      const { hash, tiles } = image;
      const isKnown = this.#sent.get(hash) === true;
      this.#sent.use(hash, true, tiles.byteLength);
      return isKnown ? { ...image, tiles: LEFT_OUT } : image;
    });
  }
}

/** The receiving end: puts back what was left out. */
export class ReceivedTiles {
  readonly #received: Recent<Uint8Array>;

  constructor(maxBytes: number) {
    this.#received = new Recent(maxBytes);
  }

  /** @throws Error when tiles are missing: the two ends do not agree */
  putBack(request: GenerationRequest): GenerationRequest {
    return withImages(request, (image) => {
      const { hash } = image;
      const tiles = image.tiles.byteLength > 0 ? image.tiles : this.#received.get(hash);
      if (tiles === undefined) throw new Error(`The tiles of picture ${hash} never came.`);
      this.#received.use(hash, tiles, tiles.byteLength);
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
