import { EnginePool } from './engine-pool.ts';
import { EngineProcessClient, type EngineProcessOptions } from './engine-process-client.ts';
import { Router } from './routing/router.ts';
import { settingsOfEngines } from './settings-of-engines.ts';

/** Longest that a request whose engine died waits for one that is ready; the largest models load within it. */
const RETRY_WAIT_MS = 120_000;

export interface StartOptions extends Pick<EngineProcessOptions, 'log'> {
  readonly numEngines: number;
  /** Devices that the engines take in turns. */
  readonly deviceIds: readonly number[];
  /** Of all engines together: they divide its threads among them. */
  readonly load: EngineProcessOptions['load'];
  /** Requests that may wait beyond those that run, all engines together. */
  readonly maxWaiting: number;
}

/** Starts the engine processes; they take requests as their models are loaded. */
export function startEngines(options: StartOptions): EnginePool {
  const { numEngines, deviceIds, load, maxWaiting, log } = options;
  const { manifest, settings } = load;
  const { numSlots, reuse } = settings;
  const each = settingsOfEngines(settings, numEngines, deviceIds);
  const featureBytes = manifest.text.hiddenSize * Float32Array.BYTES_PER_ELEMENT;
  return new EnginePool({
    numEngines,
    start: (index, onReady) =>
      new EngineProcessClient({
        name: numEngines === 1 ? 'engine' : `engine ${index}`,
        load: { ...load, settings: each[index] ?? settings },
        log,
        onReady,
      }),
    router: new Router({
      numEngines,
      numSlots,
      numPrompts: reuse.prefixes ? numSlots : 0,
      imageTokens: reuse.featureBytes / featureBytes,
    }),
    imageTokenId: manifest.tokens.image,
    maxWaiting,
    retryWaitMs: RETRY_WAIT_MS,
  });
}
