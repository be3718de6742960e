import { EnginePool } from './engine-pool.ts';
import { EngineProcessClient, type EngineProcessOptions } from './engine-process-client.ts';

/** Longest that a request whose engine died waits for one that is ready; the largest models load within it. */
const RETRY_WAIT_MS = 120_000;

export interface StartOptions extends Pick<EngineProcessOptions, 'load' | 'log'> {
  /** Requests that may wait beyond those that run. */
  readonly maxWaiting: number;
}

/** Starts the engine process; it takes requests when its model is loaded. */
export function startEngines({ load, log, maxWaiting }: StartOptions): EnginePool {
  return new EnginePool({
    start: (onReady) => [new EngineProcessClient({ load, log, onReady })],
    maxWaiting,
    retryWaitMs: RETRY_WAIT_MS,
  });
}
