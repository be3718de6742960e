import { NO_TOTALS } from '../../engine/generation.ts';
import { addTotals } from './add-totals.ts';
import type { EngineStatus } from './engine-client.ts';

/** The first of these that an engine is in is the state of all together: who is ready serves for the others. */
const STATES = ['ready', 'loading', 'restarting', 'failed'] as const;

/** Several engines as one: what they do added up, their caches' use the mean of those that are ready. */
export function combineStatuses(statuses: readonly EngineStatus[]): EngineStatus {
  const sum = (value: (status: EngineStatus) => number): number =>
    statuses.reduce((total, status) => total + value(status), 0);
  const ready = statuses.filter(({ state }) => state === 'ready');
  const held = ready.reduce((total, { kvCacheUsage }) => total + kvCacheUsage, 0);
  return {
    state: STATES.find((state) => statuses.some((status) => status.state === state)) ?? 'failed',
    numRunning: sum(({ numRunning }) => numRunning),
    numWaiting: sum(({ numWaiting }) => numWaiting),
    numThinking: sum(({ numThinking }) => numThinking),
    kvCacheUsage: ready.length === 0 ? 0 : held / ready.length,
    totals: statuses.reduce((total, { totals }) => addTotals(total, totals), NO_TOTALS),
    restarts: sum(({ restarts }) => restarts),
    retried: sum(({ retried }) => retried),
    residentBytes: sum(({ residentBytes }) => residentBytes),
  };
}
