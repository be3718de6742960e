import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RateEstimate } from '../../../../src/server/engines/rate-estimate.ts';

it('estimates the mean time between two slots that become free, in whole seconds', () => {
  const rate = new RateEstimate();
  for (const ms of [0, 3_000, 6_000, 9_100]) rate.finished(ms, true);
  assert.equal(rate.secondsUntilFree(), 4);
});

it('stays between one second and one minute, and says five while nothing is known', () => {
  const unknown = new RateEstimate();
  assert.equal(unknown.secondsUntilFree(), 5);
  const fast = new RateEstimate();
  for (const ms of [0, 1, 2]) fast.finished(ms, true);
  assert.equal(fast.secondsUntilFree(), 1);
  const slow = new RateEstimate();
  for (const ms of [0, 600_000]) slow.finished(ms, true);
  assert.equal(slow.secondsUntilFree(), 60);
});

it('ignores the time in which slots stayed empty', () => {
  const rate = new RateEstimate();
  rate.finished(0, true);
  rate.finished(2_000, false);
  for (const ms of [3_600_000, 3_602_000, 3_604_000]) rate.finished(ms, true);
  assert.equal(rate.secondsUntilFree(), 2);
});

it('averages the last 32 intervals only', () => {
  const rate = new RateEstimate();
  for (let i = 0; i < 5; i++) rate.finished(i * 50_000, true);
  for (let i = 0; i < 40; i++) rate.finished(250_000 + i * 2_000, true);
  assert.equal(rate.secondsUntilFree(), 2);
});
