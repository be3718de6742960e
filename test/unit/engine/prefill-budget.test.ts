import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PrefillBudget } from '../../../src/engine/prefill-budget.ts';

it('gives prompts the whole chunk while nothing is known, or nobody is held up', () => {
  const budget = new PrefillBudget({ prefillChunk: 256, stallMs: 500 });
  assert.equal(budget.tokens(true), 256);
  budget.observe(256, 2_560);
  assert.equal(budget.tokens(false), 256);
});

it('gives prompts what fits the longest stall, in pieces of sixteen and never fewer', () => {
  const budget = new PrefillBudget({ prefillChunk: 256, stallMs: 500 });
  budget.observe(256, 2_560);
  assert.equal(budget.tokens(true), 48);
  const slow = new PrefillBudget({ prefillChunk: 256, stallMs: 500 });
  slow.observe(32, 32_000);
  assert.equal(slow.tokens(true), 16);
  const fast = new PrefillBudget({ prefillChunk: 256, stallMs: 500 });
  fast.observe(256, 10);
  assert.equal(fast.tokens(true), 256);
});

it('follows the pace, and learns nothing from pieces too small to tell', () => {
  const budget = new PrefillBudget({ prefillChunk: 1024, stallMs: 1_000 });
  budget.observe(100, 1_000);
  assert.equal(budget.tokens(true), 96);
  budget.observe(3, 30_000);
  assert.equal(budget.tokens(true), 96);
  for (let i = 0; i < 30; i++) budget.observe(100, 200);
  assert.equal(budget.tokens(true), 496);
});
