import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { measureDecision } from '../../../src/thinking/probe.ts';

function assertClose(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) < 1e-6, `${found} is not ${expected}`);
}

describe('measureDecision', () => {
  it('is the share of the thinking tokens in the mass of both, and what is on neither', () => {
    // Probabilities 0.5, 0.2, 0.1, 0.2.
    const logits = Float32Array.from([0.5, 0.2, 0.1, 0.2], (p) => Math.log(p) + 40);
    const one = measureDecision(logits, { think: [0], fast: [1] });
    assertClose(one.pThink, 0.5 / 0.7);
    assertClose(one.residual, 0.3);
    const several = measureDecision(logits, { think: [1, 2], fast: [0, 3] });
    assertClose(several.pThink, 0.3);
    assertClose(several.residual, 0);
  });

  it('does not overflow, and counts ids outside the vocabulary as nothing', () => {
    const logits = Float32Array.of(3e4, 3e4 - 1, -3e4);
    const { pThink } = measureDecision(logits, { think: [0, 99], fast: [1] });
    assertClose(pThink, 1 / (1 + Math.exp(-1)));
  });

  it('is undecided where both are impossible', () => {
    const never = Number.NEGATIVE_INFINITY;
    const found = measureDecision(Float32Array.of(never, never, 0), { think: [0], fast: [1] });
    assert.deepEqual(found, { pThink: 0.5, residual: 1 });
  });
});
