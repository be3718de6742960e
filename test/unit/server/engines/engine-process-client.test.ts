import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RestartPause } from '../../../../src/server/engines/engine-process-client.ts';

it('waits longer before each restart, up to half a minute', () => {
  const pause = new RestartPause();
  const pauses = Array.from({ length: 7 }, () => pause.afterEnd(1_000));
  assert.deepEqual(pauses, [250, 1_000, 5_000, 15_000, 30_000, 30_000, 30_000]);
});

it('starts again from the shortest pause after a process that ran well', () => {
  const pause = new RestartPause();
  pause.afterEnd(0);
  pause.afterEnd(0);
  assert.equal(pause.afterEnd(3_600_000), 250);
  assert.equal(pause.afterEnd(0), 1_000);
});
