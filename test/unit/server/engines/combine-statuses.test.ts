import assert from 'node:assert/strict';
import { it } from 'node:test';
import { combineStatuses } from '../../../../src/server/engines/combine-statuses.ts';
import { FakeEngineClient } from '../../../helpers/fake-engine-client.ts';

const STATUS = new FakeEngineClient().status();

it('adds up what engines do, and takes the mean of the caches of those that are ready', () => {
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

it('is ready when one engine is, and else what the most hopeful one is', () => {
  const stateOf = (...states: (typeof STATUS.state)[]): string =>
    combineStatuses(states.map((state) => ({ ...STATUS, state }))).state;
  assert.equal(stateOf('restarting', 'ready'), 'ready');
  assert.equal(stateOf('restarting', 'loading'), 'loading');
  assert.equal(stateOf('failed', 'restarting'), 'restarting');
  assert.equal(stateOf('failed', 'failed'), 'failed');
});
