import { type EngineTotals, NO_TOTALS } from '../../engine/generation.ts';
import type { EngineStatus } from './engine-client.ts';

/** The pool's state is the first of these that any engine is in: one ready engine can serve all requests. */
const STATES = ['ready', 'loading', 'restarting', 'failed'] as const;

/** Combines the status of several engines: counts add up, and cache usage is the mean over the ready engines. */
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

/** Adds up the totals of two processes. */
export function addTotals(first: EngineTotals, second: EngineTotals): EngineTotals {
  const names = Object.keys(NO_TOTALS) as (keyof EngineTotals)[];
  const sums = names.map((name) => [name, first[name] + second[name]] as const);
  return { ...NO_TOTALS, ...Object.fromEntries(sums) };
}
