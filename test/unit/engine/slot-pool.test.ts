import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SlotPool } from '../../../src/engine/slot-pool.ts';
import type { ImageSpan, TokenPrefix } from '../../../src/engine/token-prefix.ts';
import { Random } from '../../helpers/random.ts';

/** One letter per token: 'system question' reads better than numbers. */
function promptOf(text: string, images: readonly ImageSpan[] = []): TokenPrefix {
  return { tokenIds: [...text].map((letter) => letter.charCodeAt(0)), images };
}

function newPool(numSlots = 3): SlotPool {
  return new SlotPool(numSlots, { reusesPrefixes: true });
}

/** Prefills what is missing of a claimed slot's prompt. */
function fill(pool: SlotPool, slot: number, { tokenIds }: TokenPrefix): void {
  pool.append(slot, Array.from(tokenIds).slice(pool.lengthOf(slot)));
}

/** A sequence from its claim to its end, in a pool where nothing else happens meanwhile. */
function serve(pool: SlotPool, text: string): number {
  const prompt = promptOf(text);
  const slot = pool.claim(prompt);
  fill(pool, slot, prompt);
  pool.release(slot, { keep: true });
  return slot;
}

interface Case {
  readonly name: string;
  /** Sequences that were served and are gone, in order of their end: each slot's contents. */
  readonly free: readonly string[];
  /** Sequences that still run, in the slots after those. */
  readonly running?: readonly string[];
  readonly prompt: string;
  readonly slot: number;
  /** Where the prefix comes from, and how long it is. */
  readonly from: number;
  readonly numTokens: number;
}

const CASES: readonly Case[] = [
  {
    name: 'takes the lowest of empty slots',
    free: ['', ''],
    prompt: 'abc',
    slot: 0,
    from: 0,
    numTokens: 0,
  },
  {
    name: 'prefers an empty slot to one that holds something',
    free: ['xyz', ''],
    prompt: 'abc',
    slot: 1,
    from: 1,
    numTokens: 0,
  },
  {
    name: 'goes on in the slot of its earlier turn',
    free: ['xyz', 'abc'],
    prompt: 'abcdef',
    slot: 1,
    from: 1,
    numTokens: 3,
  },
  {
    name: 'takes the longest prefix among free slots',
    free: ['abx', 'abcd', 'abcx'],
    prompt: 'abcdef',
    slot: 1,
    from: 1,
    numTokens: 4,
  },
  {
    name: 'computes the last token of a prompt that is there as a whole',
    free: ['abcdef', 'xyzxyz'],
    prompt: 'abcdef',
    slot: 0,
    from: 0,
    numTokens: 5,
  },
  {
    name: 'takes a prompt that is the beginning of what a slot holds, where less would be lost',
    free: ['abcdef', 'xyzxyz'],
    prompt: 'abc',
    slot: 0,
    from: 0,
    numTokens: 2,
  },
  {
    name: 'copies instead of cutting a longer conversation short, where an empty slot is left',
    free: ['abcdef', ''],
    prompt: 'abx',
    slot: 1,
    from: 0,
    numTokens: 2,
  },
  {
    name: 'copies rather than lose the longer of two',
    free: ['xy', 'abcdef'],
    prompt: 'abx',
    slot: 0,
    from: 1,
    numTokens: 2,
  },
  {
    name: 'takes the least recently used slot when nothing is shared',
    free: ['old', 'newer', 'newest'],
    prompt: 'abc',
    slot: 0,
    from: 0,
    numTokens: 0,
  },
  {
    name: 'copies from a running slot',
    free: ['xyz'],
    running: ['abcdef'],
    prompt: 'abcx',
    slot: 0,
    from: 1,
    numTokens: 3,
  },
  {
    name: 'copies from a running slot over the shorter prefix of a free one',
    free: ['ab'],
    running: ['abcdef'],
    prompt: 'abcx',
    slot: 0,
    from: 1,
    numTokens: 3,
  },
  {
    name: 'does not copy what the slot has already',
    free: ['abc'],
    running: ['abcdef'],
    prompt: 'abcx',
    slot: 0,
    from: 0,
    numTokens: 3,
  },
  {
    name: 'has nothing to reuse for a prompt of one token',
    free: ['a'],
    prompt: 'a',
    slot: 0,
    from: 0,
    numTokens: 0,
  },
];

describe('SlotPool', () => {
  for (const { name, free, running = [], prompt, slot, from, numTokens } of CASES) {
    it(name, () => {
      const pool = newPool(free.length + running.length);
      const all = [...free, ...running].map((text) => {
        const given = promptOf(text === '' ? '-' : text);
        const claimed = pool.claim(given);
        if (text !== '') fill(pool, claimed, given);
        return claimed;
      });
      assert.deepEqual(all, [...all.keys()]);
      for (const index of all.slice(0, free.length)) pool.release(index, { keep: true });
      assert.equal(pool.claim(promptOf(prompt)), slot);
      assert.deepEqual(pool.findPrefix(slot), { fromSlot: from, numTokens });
    });
  }

  it('assigns no claimed slot', () => {
    const pool = newPool(2);
    pool.claim(promptOf('abc'));
    pool.claim(promptOf('abc'));
    assert.throws(() => pool.claim(promptOf('abc')), /All 2 slots are taken/);
    pool.release(1, { keep: true });
    assert.equal(pool.claim(promptOf('abc')), 1);
  });

  it('finds prefixes computed since the claim', () => {
    const pool = newPool(2);
    const first = pool.claim(promptOf('abcdef'));
    const second = pool.claim(promptOf('abcxyz'));
    assert.equal(pool.findPrefix(second).numTokens, 0);
    pool.append(first, [...Buffer.from('ab')]);
    assert.deepEqual(pool.findPrefix(second), { fromSlot: first, numTokens: 2 });
    pool.append(first, [...Buffer.from('cdef')]);
    const prefix = pool.findPrefix(second);
    assert.deepEqual(prefix, { fromSlot: first, numTokens: 3 });
    pool.copied(second, prefix);
    assert.equal(pool.lengthOf(second), 3);
    assert.deepEqual(pool.findPrefix(second), { fromSlot: second, numTokens: 3 });
  });

  it('reuses only the chunks of a prompt that were reported as done', () => {
    const pool = newPool(1);
    pool.claim(promptOf('abcdef'));
    pool.append(0, [...Buffer.from('ab')]);
    pool.release(0, { keep: true });
    pool.claim(promptOf('abcdef'));
    assert.deepEqual(pool.findPrefix(0), { fromSlot: 0, numTokens: 2 });
  });

  it('reuses nothing of a failed sequence', () => {
    const pool = newPool(1);
    pool.claim(promptOf('abc'));
    fill(pool, 0, promptOf('abc'));
    pool.release(0, { keep: false });
    pool.claim(promptOf('abcdef'));
    assert.equal(pool.findPrefix(0).numTokens, 0);
  });

  it('reuses generated tokens as well as the prompt', () => {
    const pool = newPool(1);
    pool.claim(promptOf('ask'));
    fill(pool, 0, promptOf('ask'));
    pool.append(0, [...Buffer.from('answer')]);
    pool.release(0, { keep: true });
    pool.claim(promptOf('askanswermore'));
    assert.equal(pool.findPrefix(0).numTokens, 9);
  });

  it('forgets contents that a new sequence overwrites', () => {
    const pool = newPool(1);
    serve(pool, 'abcdef');
    serve(pool, 'abxyz');
    pool.claim(promptOf('abcdef'));
    assert.equal(pool.findPrefix(0).numTokens, 2);
  });

  it('counts a copy as a use of the source slot', () => {
    const pool = newPool(3);
    assert.deepEqual(
      ['aaaaaaaa', 'bb', 'cc'].map((text) => serve(pool, text)),
      [0, 1, 2],
    );
    const slot = pool.claim(promptOf('aax'));
    assert.equal(slot, 0, 'the least recently used, though most of it is lost');
    pool.release(slot, { keep: true });
    const other = newPool(3);
    for (const text of ['xx', 'aaaaaaaa', 'cc']) serve(other, text);
    const copyTo = other.claim(promptOf('aay'));
    assert.equal(copyTo, 0);
    other.copied(copyTo, other.findPrefix(copyTo));
    assert.equal(other.claim(promptOf('zz')), 2, 'slot 1 was used later');
  });

  it('distinguishes prompts that differ only in an image', () => {
    const pool = newPool(2);
    const withImage = (hash: string): TokenPrefix =>
      promptOf('s...q', [{ hash, start: 1, numTokens: 3 }]);
    const slot = pool.claim(withImage('cat'));
    fill(pool, slot, withImage('cat'));
    pool.release(slot, { keep: true });
    const other = pool.claim(withImage('dog'));
    assert.equal(pool.findPrefix(other).numTokens, 1);
    const same = pool.claim(withImage('cat'));
    assert.deepEqual([same, pool.findPrefix(same).numTokens], [0, 4]);
  });

  it('reuses nothing when prefix reuse is off', () => {
    const pool = new SlotPool(2, { reusesPrefixes: false });
    serve(pool, 'abc');
    const slot = pool.claim(promptOf('abcdef'));
    assert.deepEqual(pool.findPrefix(slot), { fromSlot: slot, numTokens: 0 });
  });

  it('never claims more than a slot holds, over 20,000 random sequences', () => {
    const random = new Random(5);
    const pool = newPool(4);
    /** What a cache would really hold. */
    const caches: number[][] = [[], [], [], []];
    const running = new Map<number, number[]>();
    let reused = 0;
    for (let round = 0; round < 20_000; round++) {
      if (running.size < 4 && random.below(2) === 0) {
        const tokenIds = Array.from({ length: 1 + random.below(12) }, () => random.below(2));
        const slot = pool.claim({ tokenIds, images: [] });
        assert.ok(!running.has(slot));
        running.set(slot, tokenIds);
        const prefix = pool.findPrefix(slot);
        const source = caches[prefix.fromSlot] ?? [];
        assert.ok(prefix.numTokens < tokenIds.length);
        assert.deepEqual(source.slice(0, prefix.numTokens), tokenIds.slice(0, prefix.numTokens));
        if (prefix.fromSlot !== slot) pool.copied(slot, prefix);
        caches[slot] = tokenIds.slice(0, prefix.numTokens);
        reused += prefix.numTokens;
        const rest = tokenIds.slice(prefix.numTokens, prefix.numTokens + 1 + random.below(12));
        pool.append(slot, rest);
        caches[slot]?.push(...rest);
        continue;
      }
      const [slot] = [...running.keys()].slice(random.below(Math.max(1, running.size)));
      if (slot === undefined) continue;
      running.delete(slot);
      pool.release(slot, { keep: random.below(8) > 0 });
    }
    assert.ok(reused > 10_000, `${reused} tokens reused`);
  });
});
