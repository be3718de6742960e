import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DecisionProbe,
  type ProbeTokens,
  probeTree,
} from '../../../../src/engine/thinking/probe.ts';

function assertClose(found: number | undefined, expected: number): void {
  assert.ok(Math.abs((found ?? Number.NaN) - expected) < 1e-6, `${found} is not ${expected}`);
}

/** Logits of given probabilities, at any height. */
function logits(...probabilities: number[]): Float32Array {
  return Float32Array.from(probabilities, (p) => Math.log(p) + 4);
}

const SINGLE: ProbeTokens = { think: [[0]], fast: [[1]] };

describe('DecisionProbe', () => {
  it('gives the share of thinking in the mass of both modes, and the residual', () => {
    const one = new DecisionProbe(probeTree(SINGLE));
    assert.equal(new DecisionProbe(probeTree(SINGLE)).measurement, null);
    const branch = one.read(logits(0.5, 0.2, 0.1, 0.2));
    assertClose(one.measurement?.pThink, 0.5 / 0.7);
    assertClose(one.measurement?.residual, 0.3);
    assertClose(branch?.pThink, 0.5 / 0.7);
    const measured = one.measurement;
    one.read(logits(0.1, 0.7, 0.1, 0.1));
    assert.deepEqual(one.measurement, measured, 'a second read of the same position');
    const several = new DecisionProbe(probeTree({ think: [[1], [2]], fast: [[0], [3]] }));
    several.read(logits(0.5, 0.2, 0.1, 0.2));
    assertClose(several.measurement?.pThink, 0.3);
    assertClose(several.measurement?.residual, 0);
  });

  it('does not overflow, and counts ids outside the vocabulary as nothing', () => {
    const probe = new DecisionProbe(probeTree({ think: [[0], [99]], fast: [[1]] }));
    probe.read(Float32Array.of(3e4, 3e4 - 1, -3e4));
    assertClose(probe.measurement?.pThink, 1 / (1 + Math.exp(-1)));
  });

  it('is undecided where both are impossible', () => {
    const never = Number.NEGATIVE_INFINITY;
    const probe = new DecisionProbe(probeTree(SINGLE));
    probe.read(Float32Array.of(never, never, 0));
    assert.deepEqual(probe.measurement, { pThink: 0.5, residual: 1 });
  });

  it('stays the same once the decision is written', () => {
    const probe = new DecisionProbe(probeTree(SINGLE));
    probe.read(logits(0.5, 0.5));
    probe.accept(0, false);
    assert.equal(probe.read(logits(0.1, 0.9)), null);
    assertClose(probe.measurement?.pThink, 0.5);
  });

  it('counts everything else as thinking where only the direct answer has tokens', () => {
    const probe = new DecisionProbe(probeTree({ think: null, fast: [[1]] }));
    const branch = probe.read(logits(0.5, 0.2, 0.1, 0.2));
    assert.equal(branch?.think, null);
    assertClose(probe.measurement?.pThink, 0.8);
    assertClose(probe.measurement?.residual, 0);
  });

  it('follows sequences with a common beginning until they diverge, and multiplies the probabilities', () => {
    // `<think>` and `<short>` as three tokens: 0 is shared, then 1 or 2.
    const probe = new DecisionProbe(probeTree({ think: [[0, 1, 3]], fast: [[0, 2, 3]] }));
    assert.equal(probe.read(logits(0.9, 0.05, 0.05)), null, 'nothing parts here');
    probe.accept(0, false);
    assert.ok(probe.isUnderWay);
    const branch = probe.read(logits(0.1, 0.6, 0.2, 0.1));
    assert.deepEqual([branch?.think, branch?.fast], [[1], [2]]);
    assertClose(probe.measurement?.pThink, 0.75);
    assertClose(probe.measurement?.residual, 1 - 0.9 * 0.8);
    probe.accept(1, false);
    assert.ok(!probe.isUnderWay);
    assertClose(probe.measurement?.pThink, 0.75);
  });

  it("reads a second token where one mode's sequence is the beginning of the other's", () => {
    // A line break thinks, two of them do not, and the tokenizer has no token for two.
    const tokens: ProbeTokens = { think: [[0]], fast: [[0, 0], [1]] };
    const probe = new DecisionProbe(probeTree(tokens));
    const branch = probe.read(logits(0.7, 0.2, 0.1));
    assert.deepEqual([branch?.think, branch?.fast], [[0], [1]]);
    probe.accept(0, true);
    assert.equal(probe.read(logits(0.4, 0.5, 0.1)), null, 'the sides part once');
    assertClose(probe.measurement?.pThink, (0.7 * 0.6) / 0.9);
    assertClose(probe.measurement?.residual, 0.1);
  });

  it('multiplies the tokens of a close tag that is split', () => {
    const probe = new DecisionProbe(probeTree({ think: null, fast: [[0, 1]] }));
    probe.read(logits(0.5, 0.25, 0.25));
    assertClose(probe.measurement?.pThink, 0.5);
    probe.accept(0, false);
    probe.read(logits(0.1, 0.8, 0.1));
    assertClose(probe.measurement?.pThink, 0.6);
    assertClose(probe.measurement?.residual, 0);
  });

  it('skips white space before the decision, and nothing else', () => {
    const probe = new DecisionProbe(probeTree(SINGLE));
    probe.read(logits(0.1, 0.1, 0.8));
    probe.accept(2, true);
    probe.read(logits(0.6, 0.2, 0.2));
    assertClose(probe.measurement?.pThink, 0.75);
    const other = new DecisionProbe(probeTree(SINGLE));
    other.read(logits(0.1, 0.1, 0.8));
    other.accept(2, false);
    other.read(logits(0.6, 0.2, 0.2));
    assertClose(other.measurement?.pThink, 0.5);
  });
});
