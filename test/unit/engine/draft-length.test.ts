import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Acceptance, bestDraftLength } from '../../../src/engine/speculative-decoding.ts';

describe('the draft length', () => {
  it('is 0 where the acceptance rate is below the cost', () => {
    for (const cost of [0.05, 0.2, 0.5, 1]) {
      assert.equal(bestDraftLength(cost * 0.98, cost), 0);
      assert.ok(bestDraftLength(cost * 1.02, cost) >= (cost < 0.98 ? 1 : 0));
    }
  });

  it('is the length with the most tokens per second', () => {
    assert.equal(bestDraftLength(1, 0.2), 7);
    assert.equal(bestDraftLength(0.5, 0.3), 1);
    // 1.6 / 1.2, 1.96 / 1.4, 2.176 / 1.6, 2.306 / 1.8 tokens per plain step.
    assert.equal(bestDraftLength(0.6, 0.2), 2);
    assert.equal(bestDraftLength(0.9, 0), 7);
  });
});

describe('the acceptance rate', () => {
  it("begins with the rate of all sequences and follows the sequence's own", () => {
    const all = new Acceptance(null, 0.98);
    const own = new Acceptance(all, 0.9);
    assert.equal(own.rate(2), 0.5);
    for (let i = 0; i < 50; i++) all.observe(2, 3, 0);
    assert.ok(own.rate(2) < 0.1);
    for (let i = 0; i < 10; i++) own.observe(2, 3, 3);
    assert.ok(own.rate(2) > 0.85);
    for (let i = 0; i < 20; i++) own.observe(2, 3, 0);
    assert.ok(own.rate(2) < 0.25);
  });

  it('is counted by length of the match, up to the first rejected token', () => {
    const own = new Acceptance(null, 1);
    for (let i = 0; i < 100; i++) own.observe(4, 7, 1);
    assert.ok(Math.abs(own.rate(4) - 0.5) < 0.01);
    assert.equal(own.rate(2), 0.5);
    for (let i = 0; i < 100; i++) own.observe(3, 2, 2);
    assert.ok(own.rate(3) > 0.99);
  });
});
