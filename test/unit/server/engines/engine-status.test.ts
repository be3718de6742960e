import assert from 'node:assert/strict';
import { it } from 'node:test';
import { NO_TOTALS } from '../../../../src/engine/generation.ts';
import { addTotals, combineStatuses } from '../../../../src/server/engines/engine-status.ts';
import { FakeEngineClient } from '../../../helpers/fake-engine-client.ts';

const STATUS = new FakeEngineClient().status();

it('adds up the counts of all engines and averages the cache usage of the ready ones', () => {
  const down = { ...STATUS, state: 'restarting' as const, kvCacheUsage: 0 };
  const full = { ...STATUS, numWaiting: 7, kvCacheUsage: 0.75 };
  const all = combineStatuses([STATUS, full, down]);
  assert.equal(all.numWaiting, 9);
  assert.equal(all.numRunning, 6);
  assert.equal(all.kvCacheUsage, 0.5);
  assert.equal(all.totals.steps, 210);
  assert.equal(all.restarts, 9);
  assert.equal(all.residentBytes, 3 * 2 ** 30);
});

it('is ready when one engine is ready, and else in the state closest to ready', () => {
  const stateOf = (...states: (typeof STATUS.state)[]): string =>
    combineStatuses(states.map((state) => ({ ...STATUS, state }))).state;
  assert.equal(stateOf('restarting', 'ready'), 'ready');
  assert.equal(stateOf('restarting', 'loading'), 'loading');
  assert.equal(stateOf('failed', 'restarting'), 'restarting');
  assert.equal(stateOf('failed', 'failed'), 'failed');
});

it('adds the totals of a new process to those of the processes before it', () => {
  const past = { ...NO_TOTALS, steps: 5, stepMs: 2.5, aborted: 1 };
  const present = { ...NO_TOTALS, steps: 3, prefixHits: 7 };
  assert.deepEqual(addTotals(past, present), {
    ...NO_TOTALS,
    steps: 8,
    stepMs: 2.5,
    aborted: 1,
    prefixHits: 7,
  });
});
