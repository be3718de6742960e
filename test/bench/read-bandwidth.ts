import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const BYTES = 512 * 2 ** 20;
const PASSES = 6;

/**
 * Measures how fast the machine reads memory, in bytes a second. Every thread searches memory of its own, far larger
 * than any processor cache, for a byte that is not there (libc's vectorised memchr). The best of several passes counts.
 */
export async function readBandwidth(numThreads = availableParallelism()): Promise<number> {
  const workers = Array.from({ length: numThreads }, () => new Worker(new URL(import.meta.url)));
  try {
    await Promise.all(workers.map(nextMessage));
    let best = 0;
    for (let pass = 0; pass < PASSES; pass++) {
      const started = performance.now();
      for (const worker of workers) worker.postMessage('go');
      await Promise.all(workers.map(nextMessage));
      best = Math.max(best, (numThreads * BYTES) / ((performance.now() - started) / 1000));
    }
    return best;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function nextMessage(worker: Worker): Promise<void> {
  return new Promise((resolve) => worker.once('message', () => resolve()));
}

if (!isMainThread) {
  const memory = Buffer.alloc(BYTES, 1);
  parentPort?.on('message', () => parentPort?.postMessage(memory.indexOf(2)));
  parentPort?.postMessage('ready');
}
