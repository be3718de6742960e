import type { EngineSettings } from '../../engine/messages.ts';
import { EnginePool } from './engine-pool.ts';
import { EngineProcessClient, type EngineProcessOptions } from './engine-process-client.ts';
import { Router } from './routing/router.ts';

/** Longest time that a request whose engine died waits for another; the largest models load within it. */
const RETRY_WAIT_MS = 120_000;

export interface StartOptions extends Pick<EngineProcessOptions, 'log'> {
  readonly numEngines: number;
  /** Devices; the engines are assigned to them in turn. */
  readonly deviceIds: readonly number[];
  /** What the engines load. Its threads are divided among them. */
  readonly load: EngineProcessOptions['load'];
  /** Requests that may wait in addition to those that run, over all engines. */
  readonly maxWaiting: number;
}

/** Starts the engine processes. Each takes requests as soon as its model is loaded. */
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
      imageTokens: Math.floor(reuse.featureBytes / featureBytes),
    }),
    imageTokenId: manifest.tokens.image,
    maxWaiting,
    retryWaitMs: RETRY_WAIT_MS,
  });
}

/**
 * Divides the settings of a server among its engines: threads as evenly as possible, at least one each, and devices in
 * turn.
 * @param settings settings of the server, with the number of threads of all engines
 * @param deviceIds at least one
 */
export function settingsOfEngines<S extends Pick<EngineSettings, 'numThreads' | 'device'>>(
  settings: S,
  numEngines: number,
  deviceIds: readonly number[],
): readonly S[] {
  const { numThreads, device } = settings;
  const each = Math.floor(numThreads / numEngines);
  const rest = numThreads % numEngines;
  return Array.from({ length: numEngines }, (_, index) => ({
    ...settings,
    numThreads: Math.max(1, each + (index < rest ? 1 : 0)),
    device: { ...device, id: deviceIds[index % deviceIds.length] ?? device.id },
  }));
}
