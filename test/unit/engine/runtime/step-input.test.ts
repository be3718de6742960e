import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { splitChunk } from '../../../../src/engine/runtime/step-input.ts';

const chunk = {
  slot: 2,
  start: 7,
  tokenIds: Int32Array.from({ length: 10 }, (_, index) => 100 + index),
  features: [
    { offset: 1, rows: Float32Array.of(10, 11, 20, 21, 30, 31, 40, 41) },
    { offset: 8, rows: Float32Array.of(80, 81) },
  ],
  needsLogits: true,
};

describe('splitChunk', () => {
  it('cuts a long chunk into consecutive pieces, with the features of each', () => {
    assert.deepEqual(splitChunk(chunk, 4, 2), [
      {
        slot: 2,
        start: 7,
        tokenIds: Int32Array.of(100, 101, 102, 103),
        features: [{ offset: 1, rows: Float32Array.of(10, 11, 20, 21, 30, 31) }],
        needsLogits: false,
      },
      {
        slot: 2,
        start: 11,
        tokenIds: Int32Array.of(104, 105, 106, 107),
        features: [{ offset: 0, rows: Float32Array.of(40, 41) }],
        needsLogits: false,
      },
      {
        slot: 2,
        start: 15,
        tokenIds: Int32Array.of(108, 109),
        features: [{ offset: 0, rows: Float32Array.of(80, 81) }],
        needsLogits: true,
      },
    ]);
  });

  it('keeps a chunk that fits whole, and asks for no logits that were not wanted', () => {
    assert.deepEqual(splitChunk(chunk, 10, 2), [chunk]);
    assert.deepEqual(splitChunk(chunk, Infinity, 2), [chunk]);
    const pieces = splitChunk({ ...chunk, needsLogits: false }, 3, 2);
    assert.deepEqual(
      pieces.map(({ needsLogits }) => needsLogits),
      [false, false, false, false],
    );
  });
});
