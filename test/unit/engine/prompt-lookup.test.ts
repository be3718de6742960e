import assert from 'node:assert/strict';
import { it } from 'node:test';
import { lookUpDraft } from '../../../src/engine/prompt-lookup.ts';

const draft = (prompt: readonly number[], generated: readonly number[], count = 3): number[] =>
  lookUpDraft(Int32Array.from(prompt), generated, count);

it('drafts what followed the last tokens where they stood before', () => {
  assert.deepEqual(draft([1, 2, 3, 4, 5, 6], [9, 2, 3]), [4, 5, 6]);
  assert.deepEqual(draft([1, 2, 3], [4, 5, 1, 2]), [3, 4, 5]);
  assert.deepEqual(draft([], [7, 8, 9, 7, 8]), [9, 7, 8]);
});

it('prefers the longest match, and among equals the latest', () => {
  assert.deepEqual(draft([5, 1, 2, 70, 0, 1, 2, 80], [5, 1, 2], 1), [70]);
  assert.deepEqual(draft([1, 2, 70, 0, 1, 2, 80, 0], [1, 2], 1), [80]);
});

it('drafts nothing where fewer than two tokens repeat, and no more than there is', () => {
  assert.deepEqual(draft([1, 2, 3], [4, 2]), []);
  assert.deepEqual(draft([], []), []);
  assert.deepEqual(draft([1], []), []);
  assert.deepEqual(draft([1, 2], [3, 1, 2], 9), [3, 1, 2]);
  assert.deepEqual(draft([1, 2, 3], [1, 2], 0), []);
});
