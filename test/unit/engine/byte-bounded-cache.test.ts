import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ByteBoundedCache } from '../../../src/engine/byte-bounded-cache.ts';

/** 10 values are 40 bytes. */
function features(value: number, length = 10): Float32Array {
  return new Float32Array(length).fill(value);
}

const cacheOf = (maxBytes: number): ByteBoundedCache<Float32Array> =>
  new ByteBoundedCache(maxBytes, ({ byteLength }) => byteLength);

describe('ByteBoundedCache', () => {
  it('gives back what it was given, the very same memory', () => {
    const cache = cacheOf(1000);
    const kept = features(1);
    cache.set('cat', kept);
    assert.equal(cache.get('cat'), kept);
    assert.equal(cache.get('dog'), undefined);
  });

  it('drops the least recently used when its bytes are used up', () => {
    const cache = cacheOf(120);
    for (const name of ['a', 'b', 'c']) cache.set(name, features(1));
    assert.equal(cache.numBytes, 120);
    cache.get('a');
    cache.set('d', features(1));
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].filter((name) => cache.get(name) !== undefined),
      ['a', 'c', 'd'],
    );
    assert.equal(cache.numBytes, 120);
  });

  it('drops as many as a large image needs', () => {
    const cache = cacheOf(120);
    for (const name of ['a', 'b', 'c']) cache.set(name, features(1));
    cache.set('large', features(1, 20));
    assert.deepEqual(
      ['a', 'b', 'c', 'large'].filter((name) => cache.get(name) !== undefined),
      ['c', 'large'],
    );
    assert.equal(cache.numBytes, 120);
  });

  it('does not keep an image larger than itself, and loses nothing to it', () => {
    const cache = cacheOf(120);
    cache.set('a', features(1));
    cache.set('huge', features(1, 31));
    assert.equal(cache.get('huge'), undefined);
    assert.ok(cache.get('a'));
    assert.equal(cache.numBytes, 40);
  });

  it('counts an image that is set again once, with its new size', () => {
    const cache = cacheOf(120);
    cache.set('a', features(1));
    cache.set('a', features(2, 20));
    assert.equal(cache.numBytes, 80);
    assert.equal(cache.get('a')?.[0], 2);
  });

  it('of no bytes keeps nothing', () => {
    const cache = cacheOf(0);
    cache.set('a', features(1));
    assert.equal(cache.get('a'), undefined);
    assert.equal(cache.numBytes, 0);
  });
});
