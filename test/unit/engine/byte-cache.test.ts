import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { byteCache } from '../../../src/engine/byte-cache.ts';

/** 10 values are 40 bytes. */
function features(value: number, length = 10): Float32Array {
  return new Float32Array(length).fill(value);
}

const cacheOf = (maxBytes: number) =>
  byteCache<Float32Array>(maxBytes, ({ byteLength }) => byteLength);

describe('a cache bounded in bytes', () => {
  it('returns the same object that was stored', () => {
    const cache = cacheOf(1000);
    const kept = features(1);
    cache.set('cat', kept);
    assert.equal(cache.get('cat'), kept);
    assert.equal(cache.get('dog'), undefined);
  });

  it('evicts the least recently used value when its bytes are used up', () => {
    const cache = cacheOf(120);
    for (const name of ['a', 'b', 'c']) cache.set(name, features(1));
    assert.equal(cache.calculatedSize, 120);
    cache.get('a');
    cache.set('d', features(1));
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].filter((name) => cache.get(name) !== undefined),
      ['a', 'c', 'd'],
    );
    assert.equal(cache.calculatedSize, 120);
  });

  it('evicts as many values as a large one needs', () => {
    const cache = cacheOf(120);
    for (const name of ['a', 'b', 'c']) cache.set(name, features(1));
    cache.set('large', features(1, 20));
    assert.deepEqual(
      ['a', 'b', 'c', 'large'].filter((name) => cache.get(name) !== undefined),
      ['c', 'large'],
    );
    assert.equal(cache.calculatedSize, 120);
  });

  it('does not keep a value larger than itself and evicts nothing for it', () => {
    const cache = cacheOf(120);
    cache.set('a', features(1));
    cache.set('huge', features(1, 31));
    assert.equal(cache.get('huge'), undefined);
    assert.ok(cache.get('a'));
    assert.equal(cache.calculatedSize, 40);
  });

  it('counts a value that is set again once, with its new size', () => {
    const cache = cacheOf(120);
    cache.set('a', features(1));
    cache.set('a', features(2, 20));
    assert.equal(cache.calculatedSize, 80);
    assert.equal(cache.get('a')?.[0], 2);
  });

  it('keeps nothing when it has 0 bytes', () => {
    const cache = cacheOf(0);
    cache.set('a', features(1));
    assert.equal(cache.get('a'), undefined);
    assert.equal(cache.calculatedSize, 0);
  });
});
