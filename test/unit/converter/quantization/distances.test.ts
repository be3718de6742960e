import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import {
  LogitComparison,
  relativeDistance,
} from '../../../../src/converter/quantization/quality/distances.ts';
import { Random } from '../../../helpers/random.ts';

function softmax(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

describe('the relative distance', () => {
  it('is the norm of the difference over the norm of the exact values', () => {
    assert.equal(relativeDistance(Float32Array.of(3, 5), Float32Array.of(3, 4)), 1 / 5);
    assert.equal(relativeDistance(Float32Array.of(1), Float32Array.of(0)), 0);
  });
});

describe('the comparison of logits', () => {
  it('gives the same result in slices of the vocabulary as on whole rows', () => {
    const random = new Random(3);
    const [numRows, vocabSize] = [5, 50];
    // Some rows of large logits, whose maximum moves late, and quantised ones that change the first choice.
    const exact = Array.from({ length: numRows }, (_, row) =>
      Array.from({ length: vocabSize }, (_, i) =>
        Math.fround(random.next() * 8 + (row === 2 ? i * 3 : 0)),
      ),
    );
    const quantized = exact.map((row, at) =>
      row.map((value) => Math.fround(value + (random.next() - 0.5) * (at === 0 ? 12 : 0.1))),
    );
    const comparison = new LogitComparison(numRows);
    for (const [from, to] of [
      [0, 20],
      [20, 41],
      [41, 50],
    ] as const) {
      const piece = (rows: number[][]): Float32Array =>
        Float32Array.from(rows.flatMap((row) => row.slice(from, to)));
      comparison.add(piece(exact), piece(quantized));
    }
    const divergences = exact.map((row, at) => {
      const [p, q] = [softmax(row), softmax(quantized[at]!)];
      return p.reduce((sum, value, i) => sum + value * Math.log(value / q[i]!), 0);
    });
    const argmax = (row: number[]): number => row.indexOf(Math.max(...row));
    const same = exact.filter((row, at) => argmax(row) === argmax(quantized[at]!)).length;
    const found = comparison.result();
    assert.ok(same < numRows, 'a first choice changes');
    assert.equal(found.top1Agreement, same / numRows);
    const mean = divergences.reduce((sum, value) => sum + value, 0) / numRows;
    assert.ok(Math.abs(found.klDivergence - mean) < 1e-9 * Math.max(1, mean));
    const distance = relativeDistance(
      Float32Array.from(quantized.flat()),
      Float32Array.from(exact.flat()),
    );
    assert.ok(Math.abs(found.relative - distance) < 1e-12);
  });

  it('is zero between equal logits', () => {
    const comparison = new LogitComparison(2);
    const logits = Float32Array.of(1, 5, -3, 200, 0, 1);
    comparison.add(logits, logits);
    assert.deepEqual(comparison.result(), { relative: 0, klDivergence: 0, top1Agreement: 1 });
  });
});
