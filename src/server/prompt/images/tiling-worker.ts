import { parentPort, workerData } from 'node:worker_threads';
import type { TiledImage } from '../../../engine/model-runner.ts';
import { type ChatErrorCode, ChatInputError } from '../chat-input-error.ts';
import { decodeImage } from './decode.ts';
import { type TilingShape, tileImage } from './tile.ts';

/** What a worker is started with. */
export interface TilingWorkerData {
  readonly shape: TilingShape;
  readonly maxPixels: number;
  /** Most milliseconds the decoder may take for one image. */
  readonly timeoutMs: number;
}

export interface TilingJob {
  readonly bytes: Uint8Array;
  readonly param: string;
  /** Most tiles beside the base tile; null sets no limit. */
  readonly maxTiles: number | null;
}

export type TilingReply =
  | { readonly type: 'tiled'; readonly image: TiledImage }
  /** `code` is null for a failure that is not the caller's. */
  | { readonly type: 'failed'; readonly code: ChatErrorCode | null; readonly message: string };

async function tile(
  { shape, ...limits }: TilingWorkerData,
  { bytes, param, maxTiles }: TilingJob,
): Promise<TilingReply> {
  try {
    const image = await decodeImage(bytes, limits, param);
    return { type: 'tiled', image: tileImage(image, shape, maxTiles) };
  } catch (error) {
    if (error instanceof ChatInputError) {
      return { type: 'failed', code: error.code, message: error.message };
    }
    return { type: 'failed', code: null, message: String(error) };
  }
}

const port = parentPort;
if (port !== null) {
  const data: TilingWorkerData = workerData;
  port.on('message', async (job: TilingJob) => {
    const reply = await tile(data, job);
    port.postMessage(
      reply,
      reply.type === 'tiled' ? [reply.image.tiles.buffer as ArrayBuffer] : [],
    );
  });
}
