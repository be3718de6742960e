import type { ResolvedConfig } from '../../../config/config.ts';
import type { TiledImage } from '../../../engine/model-runner.ts';
import type { Manifest } from '../../../package/manifest.ts';
import { ChatInputError } from '../chat-input-error.ts';
import { type ChatMessage, type ImagePart, imagesOf } from '../messages.ts';
import { ImageFetcher } from './fetch.ts';
import { isPublicAddress } from './lookup.ts';
import { MediaFolder } from './media-folder.ts';
import { TileCache, TilingPool } from './tiling-pool.ts';

export interface ImageLimits {
  /** Most images in one request. */
  readonly maxImages: number;
  /** Most bytes of one image as it arrives. */
  readonly maxBytes: number;
  /** Most pixels (width x height) of one image. */
  readonly maxPixels: number;
  /** Milliseconds that a download may take, redirects included, and that decoding may take after it. */
  readonly timeoutMs: number;
  /** Lets image URLs lead to loopback and private addresses. */
  readonly allowPrivateAddresses: boolean;
  /** Hosts that images may come from, `*.example.com` for all below one; null allows all. */
  readonly domains: readonly string[] | null;
  /** Folder that file: URLs lead to; null rejects them. */
  readonly folder: string | null;
  /** Most tiles, beside the base tile, of images whose detail is `auto`; null sets no limit. */
  readonly autoTiles: number | null;
  /** Threads that decode and tile. */
  readonly numThreads: number;
}

const BYTES_PER_MB = 1024 * 1024;

/** The limits that the operator's settings make. */
export function imageLimits(images: ResolvedConfig['images']): ImageLimits {
  return {
    maxImages: images.maxImages,
    maxBytes: Math.round(images.maxImageMb * BYTES_PER_MB),
    maxPixels: Math.round(images.maxImageMegapixels * 1_000_000),
    timeoutMs: images.imageTimeout * 1000,
    allowPrivateAddresses: images.allowPrivateImages,
    domains: images.allowedMediaDomains,
    folder: images.allowedLocalMediaPath,
    autoTiles: images.autoDetailTiles,
    numThreads: 1,
  };
}

/** Bytes of tiles kept for images that come again: R-4B's largest have ten tiles of 0.44 MB. */
const TILE_CACHE_BYTES = 64 * 2 ** 20;

/** Fetches, decodes and tiles the images of conversations. */
export interface ImageLoader {
  /**
   * @param field the field that holds the conversation
   * @throws ChatInputError for more images than the model or the server takes
   */
  check(messages: readonly ChatMessage[], field: string): void;
  /** @returns the images in prompt order @throws ChatInputError for an image that cannot be used */
  load(messages: readonly ChatMessage[], signal?: AbortSignal): Promise<TiledImage[]>;
  /** Ends threads and connections. */
  close(): Promise<void>;
}

export async function createImageLoader(
  { name, vision }: Pick<Manifest, 'name' | 'vision'>,
  limits: ImageLimits,
): Promise<ImageLoader> {
  if (vision === null) return textOnlyLoader(name);
  const isAllowed = limits.allowPrivateAddresses ? () => true : isPublicAddress;
  const folder =
    limits.folder === null ? null : await MediaFolder.open(limits.folder, limits.maxBytes);
  const fetcher = new ImageFetcher({ ...limits, folder, isAllowed });
  const { maxPixels, timeoutMs } = limits;
  const pool = new TilingPool({ shape: vision, maxPixels, timeoutMs }, limits.numThreads);
  const tiler = new TileCache(pool, TILE_CACHE_BYTES);
  const maxTiles = { low: 0, auto: limits.autoTiles, high: null };
  const loadOne = async (part: ImagePart, param: string, signal?: AbortSignal) => {
    const bytes = await fetcher.fetch(part.source, param, signal);
    signal?.throwIfAborted();
    return tiler.tile({ bytes, param, maxTiles: maxTiles[part.detail ?? 'auto'] });
  };
  return {
    check(messages, field) {
      const count = imagesOf(messages).length;
      if (count <= limits.maxImages) return;
      throw new ChatInputError(
        'too_many_images',
        field,
        `The request has ${count} images; at most ${limits.maxImages} are allowed.`,
      );
    },
    load(messages, signal) {
      const found = imagesOf(messages);
      return Promise.all(found.map(({ part, param }) => loadOne(part, param, signal)));
    },
    async close() {
      await Promise.all([fetcher.close(), pool.close()]);
    },
  };
}

/** Rejects every image: the model has no vision tower. */
function textOnlyLoader(model: string): ImageLoader {
  return {
    check(messages) {
      const [first] = imagesOf(messages);
      if (first === undefined) return;
      throw new ChatInputError(
        'images_not_supported',
        first.param,
        `The model "${model}" reads text only.`,
      );
    },
    load: () => Promise.resolve([]),
    async close() {},
  };
}
