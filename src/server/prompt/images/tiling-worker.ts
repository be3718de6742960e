import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import type { TiledImage } from '../../../engine/model-runner.ts';
import { type ChatErrorCode, ChatInputError } from '../chat-input-error.ts';
import { decodeImage } from './decode.ts';
import { type TilingShape, tileImage } from './tile.ts';

/** What every thread of a pool is started with. */
export interface TilingWorkerData {
  readonly shape: TilingShape;
  readonly maxPixels: number;
  /** Most milliseconds that the decoder may take for one image. */
  readonly timeoutMs: number;
}

export interface TilingJob {
  readonly bytes: Uint8Array;
  /** The field of the request that holds the image. */
  readonly param: string;
  /** Most tiles beside the base tile; null sets no limit. */
  readonly maxTiles: number | null;
}

export type TilingReply =
  | { readonly type: 'tiled'; readonly image: TiledImage }
  /** `code` is null for a failure that is not the caller's. */
  | { readonly type: 'failed'; readonly code: ChatErrorCode | null; readonly message: string };

/** The program of a thread: decodes and tiles one image. The tiles are transferred, not copied. */
export async function tile({ bytes, param, maxTiles }: TilingJob): Promise<object> {
  const { shape, ...limits }: TilingWorkerData = workerData;
  try {
    const decoded = await decodeImage(bytes, limits, param);
    const image = tileImage(decoded, shape, maxTiles);
    const reply: TilingReply = { type: 'tiled', image };
    return move({ [transferableSymbol]: [image.tiles.buffer], [valueSymbol]: reply });
  } catch (error) {
    const isRejected = error instanceof ChatInputError;
    const reply: TilingReply = {
      type: 'failed',
      code: isRejected ? error.code : null,
      message: isRejected ? error.message : String(error),
    };
    return reply;
  }
}
