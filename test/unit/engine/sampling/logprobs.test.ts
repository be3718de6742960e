import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { argmax, logSumExp, topIds } from '../../../../src/engine/sampling/logprobs.ts';
import { Random } from '../../../helpers/random.ts';

const VOCAB = 151_936;

function sortedIds(logits: Float32Array): number[] {
  return [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
}

/** Values from a small set, so that there are many ties. */
function tied(random: Random, length: number): Float32Array {
  return Float32Array.from({ length }, () => random.below(5) - 2);
}

describe('argmax', () => {
  it('finds the largest logit, the lowest id among equals', () => {
    assert.equal(argmax(Float32Array.of(-3, 2, 7, 7, 1)), 2);
    assert.equal(argmax(Float32Array.of(-3, -2, -7)), 1);
    assert.equal(argmax(Float32Array.of(Number.NEGATIVE_INFINITY, -1e30)), 1);
  });
});

describe('logSumExp', () => {
  it('agrees with a float64 reference, large logits included', () => {
    const random = new Random(1);
    for (const scale of [0.01, 1, 30, 1e4, 1e30]) {
      for (let round = 0; round < 50; round++) {
        const logits = random.floats(1 + random.below(300), scale);
        const values = [...logits].sort((a, b) => a - b);
        const max = values.at(-1)!;
        // Summed from the smallest up.
        const expected = max + Math.log(values.reduce((sum, v) => sum + Math.exp(v - max), 0));
        const error = Math.abs(logSumExp(logits) - expected);
        assert.ok(error <= 1e-12 * Math.max(1, Math.abs(expected)), `scale ${scale}: ${error}`);
      }
    }
  });

  it('is the logit itself for one token and log n above n equal ones', () => {
    assert.equal(logSumExp(Float32Array.of(-5)), -5);
    const flat = new Float32Array(VOCAB).fill(1000);
    assert.ok(Math.abs(logSumExp(flat) - (1000 + Math.log(VOCAB))) < 1e-9);
  });

  it('counts impossible tokens as nothing', () => {
    const logits = Float32Array.of(1, Number.NEGATIVE_INFINITY, 1);
    assert.ok(Math.abs(logSumExp(logits) - (1 + Math.LN2)) < 1e-12);
  });
});

describe('topIds', () => {
  it('equals a full sort for every count, with and without ties', () => {
    const random = new Random(2);
    for (let round = 0; round < 300; round++) {
      const length = 1 + random.below(400);
      const logits = round % 2 === 0 ? random.floats(length, 5) : tied(random, length);
      const expected = sortedIds(logits);
      for (const count of [1, 2, 20, 64, 65, 100, length, length + 10]) {
        assert.deepEqual(topIds(logits, count), expected.slice(0, count), `count ${count}`);
      }
    }
  });

  it('gives nothing for a count of 0', () => {
    assert.deepEqual(topIds(Float32Array.of(1, 2), 0), []);
  });

  it('takes any count of a full vocabulary', () => {
    const logits = new Random(3).floats(VOCAB, 10);
    const expected = sortedIds(logits);
    for (const count of [1, 20, 1000, VOCAB - 1]) {
      assert.deepEqual(topIds(logits, count), expected.slice(0, count));
    }
  });

  it('takes a large count of rising logits, the worst case of a window', () => {
    const logits = Float32Array.from({ length: VOCAB }, (_, i) => i);
    const top = topIds(logits, 100_000);
    assert.equal(top.length, 100_000);
    assert.equal(top[0], VOCAB - 1);
    assert.equal(top.at(-1), VOCAB - 100_000);
  });
});
