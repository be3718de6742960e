import { Piscina } from 'piscina';
import type { TiledImage } from '../../../engine/model-runner.ts';
import { ChatInputError } from '../chat-input-error.ts';
import type { TilingJob, TilingReply, TilingWorkerData } from './tiling-worker.ts';

const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './tiling-worker.ts' : './tiling-worker.js',
  import.meta.url,
);

/**
 * Decodes and tiles images on worker threads, one image per thread at a time, so that a large image does not block the
 * server's event loop. Idle threads do not keep the process alive.
 */
export class TilingPool {
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
