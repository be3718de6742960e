import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RestartPause } from '../../../../src/server/engines/restart-pause.ts';

it('waits longer with every process that ends soon, up to half a minute', () => {
  const pause = new RestartPause();
  const pauses = Array.from({ length: 7 }, () => pause.afterEnd(1_000));
  assert.deepEqual(pauses, [250, 1_000, 5_000, 15_000, 30_000, 30_000, 30_000]);
});

it('starts over after a process that ran well for long', () => {
  const pause = new RestartPause();
  pause.afterEnd(0);
  pause.afterEnd(0);
  assert.equal(pause.afterEnd(3_600_000), 250);
  assert.equal(pause.afterEnd(0), 1_000);
});
