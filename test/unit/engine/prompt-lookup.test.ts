import assert from 'node:assert/strict';
import { it } from 'node:test';
import { lookUpDraft } from '../../../src/engine/speculative-decoding.ts';

const draft = (prompt: readonly number[], generated: readonly number[], count = 3) =>
  lookUpDraft(Int32Array.from(prompt), generated, count)?.tokenIds ?? [];

it('drafts the tokens that followed an earlier occurrence of the last tokens', () => {
  assert.deepEqual(draft([1, 2, 3, 4, 5, 6], [9, 2, 3]), [4, 5, 6]);
  assert.deepEqual(draft([1, 2, 3], [4, 5, 1, 2]), [3, 4, 5]);
  assert.deepEqual(draft([], [7, 8, 9, 7, 8]), [9, 7, 8]);
});

it('prefers the longest match, and among equals the latest', () => {
  assert.deepEqual(draft([5, 1, 2, 70, 0, 1, 2, 80], [5, 1, 2], 1), [70]);
  assert.deepEqual(draft([1, 2, 70, 0, 1, 2, 80, 0], [1, 2], 1), [80]);
});

it('reports the length of the match, up to four', () => {
  const matched = (generated: readonly number[]) =>
    lookUpDraft(Int32Array.of(1, 2, 3, 4, 5, 6), generated, 1)?.numMatched;
  assert.deepEqual(
    [
      [9, 2, 3],
      [2, 3, 4],
      [1, 2, 3, 4, 5],
      [9, 9, 3],
    ].map(matched),
    [2, 3, 4, undefined],
  );
});

it('repeats the draft where the text repeats', () => {
  assert.deepEqual(draft([], [1, 2, 1, 2], 5), [1, 2, 1, 2, 1]);
  assert.deepEqual(draft([1, 2], [3, 1, 2], 7), [3, 1, 2, 3, 1, 2, 3]);
});

it('drafts nothing where fewer than two tokens repeat', () => {
  assert.deepEqual(draft([1, 2, 3], [4, 2]), []);
  assert.deepEqual(draft([], []), []);
  assert.deepEqual(draft([1], []), []);
  assert.deepEqual(draft([1, 2, 3], [1, 2], 0), []);
});
