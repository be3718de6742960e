import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RateEstimate } from '../../../src/process/rate-estimate.ts';

it('tells refused clients the mean time between two finished requests, in whole seconds', () => {
  const rate = new RateEstimate();
  for (const ms of [0, 3_000, 6_000, 9_100]) rate.finished(ms);
  assert.equal(rate.secondsUntilFree(), 4);
});

it('stays between one second and one minute, and guesses five while nothing is known', () => {
  const unknown = new RateEstimate();
  assert.equal(unknown.secondsUntilFree(), 5);
  const fast = new RateEstimate();
  for (const ms of [0, 1, 2]) fast.finished(ms);
  assert.equal(fast.secondsUntilFree(), 1);
  const slow = new RateEstimate();
  for (const ms of [0, 600_000]) slow.finished(ms);
  assert.equal(slow.secondsUntilFree(), 60);
});

it('looks at the last requests only', () => {
  const rate = new RateEstimate();
  rate.finished(0);
  for (let i = 0; i < 40; i++) rate.finished(1_000_000 + i * 2_000);
  assert.equal(rate.secondsUntilFree(), 2);
});
