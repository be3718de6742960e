import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { LogitDistances } from '../../../../src/converter/quantization/quality/distances.ts';
import { decisionShifts } from '../../../../src/converter/quantization/quality/int8-kv/int8-kv-report.ts';

describe('the distance of logits', () => {
  it('is zero between equal rows', () => {
    const distances = new LogitDistances();
    distances.add(Float32Array.of(1, 2, 3), Float32Array.of(1, 2, 3));
    assert.deepEqual(distances.result(), {
      numPositions: 1,
      relative: 0,
      largest: 0,
      klDivergence: 0,
      top1Agreement: 1,
    });
  });

  it('adds up over positions', () => {
    const distances = new LogitDistances();
    distances.add(Float32Array.of(3, 0), Float32Array.of(3, 0));
    // The likelier token is another.
    distances.add(Float32Array.of(4, 0), Float32Array.of(0, 4));
    const { numPositions, relative, largest, klDivergence, top1Agreement } = distances.result();
    assert.deepEqual(
      { numPositions, largest, top1Agreement },
      { numPositions: 2, largest: 4, top1Agreement: 0.5 },
    );
    assert.ok(Math.abs(relative - Math.sqrt(32 / 25)) < 1e-6);
    // KL between sigmoid(4) and its mirror: (2p − 1) · 4.
    const expected = (2 / (1 + Math.exp(-4)) - 1) * 4;
    assert.ok(Math.abs(klDivergence - expected / 2) < 1e-6);
  });

  it('has no KL divergence between rows that differ by a constant, only a relative error', () => {
    const distances = new LogitDistances();
    distances.add(Float32Array.of(1, 2, 3), Float32Array.of(6, 7, 8));
    const { klDivergence, largest } = distances.result();
    assert.ok(klDivergence < 1e-9);
    assert.equal(largest, 5);
  });
});

describe('shifts of decisions', () => {
  it('list the prompts whose decision flipped', () => {
    const shifts = decisionShifts([
      { prompt: 'a', before: 0.9, after: 0.8 },
      { prompt: 'b', before: 0.52, after: 0.49 },
      { prompt: 'c', before: 0.1, after: 0.1 },
    ]);
    assert.deepEqual(
      shifts?.flipped.map(({ prompt }) => prompt),
      ['b'],
    );
    assert.ok(Math.abs(shifts.shift.median - 0.03) < 1e-12);
    assert.ok(Math.abs(shifts.shift.largest - 0.1) < 1e-12);
    assert.ok(Math.abs(shifts.smallestMargin - 0.02) < 1e-12);
  });

  it('are null without measurements', () => {
    assert.equal(decisionShifts([]), null);
  });
});
