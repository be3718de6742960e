import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopDetector } from '../../../../src/engine/thinking/loop-detector.ts';
import { Random } from '../../../helpers/random.ts';

/** Tokens after which the repetition is found, if it is. */
function foundAfter(tokens: readonly number[]): number | null {
  const loops = new LoopDetector();
  for (const [index, id] of tokens.entries()) {
    loops.push(id);
    if (loops.found) return index + 1;
  }
  return null;
}

function repeated(length: number, times: number): number[] {
  return Array.from({ length: length * times }, (_, i) => i % length);
}

describe('LoopDetector', () => {
  it('finds a part once it has come four times and has 64 tokens in total', () => {
    assert.equal(foundAfter(repeated(1, 100)), 64);
    assert.equal(foundAfter(repeated(10, 100)), 64);
    assert.equal(foundAfter(repeated(16, 100)), 64);
    assert.equal(foundAfter(repeated(30, 100)), 120);
    assert.equal(foundAfter(repeated(256, 10)), 1024);
  });

  it('finds nothing in fewer repetitions, or in longer parts', () => {
    assert.equal(foundAfter(repeated(1, 63)), null);
    assert.equal(foundAfter(repeated(30, 3)), null);
    assert.equal(foundAfter(repeated(257, 10)), null);
  });

  it('finds a loop after other text, and forgets one that was broken', () => {
    const random = new Random(8);
    const text = Array.from({ length: 500 }, () => random.below(50));
    assert.equal(foundAfter(text), null);
    assert.equal(foundAfter([...text, ...repeated(20, 4).map((id) => id + 100)]), 580);
    const broken = Array.from({ length: 400 }, (_, i) => (i % 60 === 0 ? 1000 + i : i % 20));
    assert.equal(foundAfter(broken), null);
  });
});
