import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PrefillPace } from '../../../src/engine/prefill-pace.ts';

it('gives prompts the whole chunk while nothing is known, or nobody is held up', () => {
  const pace = new PrefillPace({ prefillChunk: 256, stallMs: 500 });
  assert.equal(pace.budget(true), 256);
  pace.observe(256, 2_560);
  assert.equal(pace.budget(false), 256);
});

it('gives prompts what fits the longest stall, in pieces of sixteen and never fewer', () => {
  const pace = new PrefillPace({ prefillChunk: 256, stallMs: 500 });
  pace.observe(256, 2_560);
  assert.equal(pace.budget(true), 48);
  const slow = new PrefillPace({ prefillChunk: 256, stallMs: 500 });
  slow.observe(32, 32_000);
  assert.equal(slow.budget(true), 16);
  const fast = new PrefillPace({ prefillChunk: 256, stallMs: 500 });
  fast.observe(256, 10);
  assert.equal(fast.budget(true), 256);
});

it('follows the pace, and learns nothing from pieces too small to tell', () => {
  const pace = new PrefillPace({ prefillChunk: 1024, stallMs: 1_000 });
  pace.observe(100, 1_000);
  assert.equal(pace.budget(true), 96);
  pace.observe(3, 30_000);
  assert.equal(pace.budget(true), 96);
  for (let i = 0; i < 30; i++) pace.observe(100, 200);
  assert.equal(pace.budget(true), 496);
});
