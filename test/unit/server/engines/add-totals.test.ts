import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_TOTALS } from '../../../../src/engine/generation.ts';
import { addTotals } from '../../../../src/server/engines/add-totals.ts';

test('the totals of an engine go on where its next process begins', () => {
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
