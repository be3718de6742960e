import type { EngineSettings } from '../../engine/messages.ts';

/**
 * The settings of each of several engines: the threads divided among them as evenly as they come, none without one; the
 * devices given out in turns.
 * @param settings of them all: the threads together, any device
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
