import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PrefillBudget } from '../../../src/engine/prompt-processor.ts';

it('gives prompts the whole chunk while the speed is unknown or no sequence decodes', () => {
  const budget = new PrefillBudget({ prefillChunk: 256, stallMs: 500 });
  assert.equal(budget.tokens(true), 256);
  budget.observe(256, 2_560);
  assert.equal(budget.tokens(false), 256);
});

it('gives prompts as many tokens as fit the time limit, in multiples of 16 and at least 16', () => {
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

it('follows the measured speed, and ignores pieces too small to measure', () => {
  const budget = new PrefillBudget({ prefillChunk: 1024, stallMs: 1_000 });
  budget.observe(100, 1_000);
  assert.equal(budget.tokens(true), 96);
  budget.observe(3, 30_000);
  assert.equal(budget.tokens(true), 96);
  for (let i = 0; i < 30; i++) budget.observe(100, 200);
  assert.equal(budget.tokens(true), 496);
});
