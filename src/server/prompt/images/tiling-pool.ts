import { Worker } from 'node:worker_threads';
import type { TiledImage } from '../../../engine/model-runner.ts';
import { ChatInputError } from '../chat-input-error.ts';
import type { TilingJob, TilingReply, TilingWorkerData } from './tiling-worker.ts';

const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './tiling-worker.ts' : './tiling-worker.js',
  import.meta.url,
);

interface WaitingJob {
  readonly job: TilingJob;
  readonly resolve: (image: TiledImage) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Decodes and tiles images on threads of their own, one image per thread at a time, so that a large image does
 * not hold up streams. Threads start with the first images and do not keep the process alive.
 */
export class TilingPool {
  readonly #data: TilingWorkerData;
  readonly #numThreads: number;
  readonly #workerFile: URL;
  readonly #waiting: WaitingJob[] = [];
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  readonly #running = new Map<Worker, WaitingJob>();
  #closed = false;

  /** @param workerFile the program of a thread; tests put another one here */
  constructor(data: TilingWorkerData, numThreads: number, workerFile: URL = WORKER_FILE) {
    this.#data = data;
    this.#numThreads = numThreads;
    this.#workerFile = workerFile;
  }

  /** @throws ChatInputError when the image is refused, Error when a thread dies */
  tile(job: TilingJob): Promise<TiledImage> {
    if (this.#closed) return Promise.reject(new Error('The tiling pool is closed.'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends the threads; images still waiting are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('The tiling pool closed.'));
    await Promise.all([...this.#all].map((worker) => worker.terminate()));
  }

  #dispatch(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    const worker = this.#idle.pop() ?? this.#start();
    if (worker === null) return;
    this.#waiting.shift();
    this.#running.set(worker, next);
    worker.ref();
    worker.postMessage(next.job);
  }

  #start(): Worker | null {
    if (this.#all.size >= this.#numThreads) return null;
    const worker = new Worker(this.#workerFile, { workerData: this.#data });
    this.#all.add(worker);
    worker.on('message', (reply: TilingReply) => {
      const done = this.#release(worker);
      this.#idle.push(worker);
      if (done !== undefined) answer(done, reply);
      this.#dispatch();
    });
    worker.on('error', (error) => this.#release(worker)?.reject(error));
    worker.on('exit', (code) => {
      this.#all.delete(worker);
      this.#release(worker)?.reject(new Error(`The image thread ended with code ${code}.`));
      const index = this.#idle.indexOf(worker);
      if (index >= 0) this.#idle.splice(index, 1);
      if (!this.#closed) this.#dispatch();
    });
    return worker;
  }

  #release(worker: Worker): WaitingJob | undefined {
    const done = this.#running.get(worker);
    this.#running.delete(worker);
    worker.unref();
    return done;
  }
}

function answer({ job, resolve, reject }: WaitingJob, reply: TilingReply): void {
  if (reply.type === 'tiled') resolve(reply.image);
  else if (reply.code === null) reject(new Error(reply.message));
  else reject(new ChatInputError(reply.code, job.param, reply.message));
}
