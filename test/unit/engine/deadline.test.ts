import assert from 'node:assert/strict';
import { it } from 'node:test';
import { deadlineOf } from '../../../src/engine/scheduler.ts';

it('is near when only the time of the answer is left, and passed when none is left', () => {
  const view = { timeoutMs: 10_000, answerTokens: 20, msPerToken: 100 };
  const at = (elapsedMs: number): string => deadlineOf({ ...view, elapsedMs });
  assert.deepEqual([0, 7_999, 8_000, 9_999, 10_000, 20_000].map(at), [
    'ahead',
    'ahead',
    'near',
    'near',
    'passed',
    'passed',
  ]);
});

it('is never near while the time per token is unknown, and never passed without a limit', () => {
  const view = { elapsedMs: 9_999, answerTokens: 20 };
  assert.equal(deadlineOf({ ...view, timeoutMs: 10_000, msPerToken: null }), 'ahead');
  assert.equal(deadlineOf({ ...view, timeoutMs: null, msPerToken: 1e9 }), 'ahead');
});
