import { createHash } from 'node:crypto';
import type { LRUCache } from 'lru-cache';
import { Piscina } from 'piscina';
import { byteCache } from '../../../engine/byte-cache.ts';
import type { TiledImage } from '../../../engine/model-runner.ts';
import { ChatInputError } from '../chat-input-error.ts';
import type { TilingJob, TilingReply, TilingWorkerData } from './tiling-worker.ts';

const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './tiling-worker.ts' : './tiling-worker.js',
  import.meta.url,
);

/** Turns the bytes of an image into tiles. */
export interface Tiler {
  tile(job: TilingJob): Promise<TiledImage>;
}

/**
 * Decodes and tiles images on worker threads, one image per thread at a time, so that a large image does not block the
 * server's event loop. Idle threads do not keep the process alive.
 */
export class TilingPool implements Tiler {
  readonly #threads: Piscina<TilingJob, TilingReply>;
  #isClosed = false;

  /** @param workerFile the program of a thread; tests pass another one */
  constructor(data: TilingWorkerData, numThreads: number, workerFile: URL = WORKER_FILE) {
    this.#threads = new Piscina({
      filename: workerFile.href,
      name: 'tile',
      // With no minimum, Piscina starts no thread for the images that wait when a thread dies.
      minThreads: 1,
      maxThreads: numThreads,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      // A thread that waits in Atomics.wait would stop the timers of the decoder.
      atomics: 'disabled',
      workerData: data,
    });
  }

  /** @throws ChatInputError where the image is rejected, Error where the thread dies */
  async tile(job: TilingJob): Promise<TiledImage> {
    if (this.#isClosed) throw new Error('The tiling pool is closed.');
    const reply = await this.#threads.run(job);
    if (reply.type === 'tiled') return reply.image;
    if (reply.code === null) throw new Error(reply.message);
    throw new ChatInputError(reply.code, job.param, reply.message);
  }

  /** Ends the threads; images that still wait fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#threads.destroy();
  }
}

/**
 * Keeps the tiles of images by the hash of their bytes and drops the least recently used first. Every turn of a
 * conversation brings its images again, and decoding and resizing them is the most expensive part of preparing it.
 */
export class TileCache implements Tiler {
  readonly #tiler: Tiler;
  readonly #images: LRUCache<string, TiledImage>;

  /** @param maxBytes most bytes of tiles kept; 0 keeps none */
  constructor(tiler: Tiler, maxBytes: number) {
    this.#tiler = tiler;
    this.#images = byteCache(maxBytes, ({ tiles }) => tiles.byteLength);
  }

  /** @throws ChatInputError where the image is rejected; rejections are not kept */
  async tile(job: TilingJob): Promise<TiledImage> {
    const key = `${job.maxTiles} ${createHash('sha256').update(job.bytes).digest('base64')}`;
    const known = this.#images.get(key);
    if (known !== undefined) return known;
    const image = await this.#tiler.tile(job);
    this.#images.set(key, image);
    return image;
  }
}
