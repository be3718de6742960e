import { LRUCache } from 'lru-cache';

/**
 * An LRU cache bounded in bytes. A value larger than the cache is not kept and evicts nothing. Equal calls in an equal
 * order keep equal values.
 * @param maxBytes most bytes of values kept; 0 keeps none
 * @param bytesOf size of a value, the same on every call
 */
export function byteCache<Value extends object | number>(
  maxBytes: number,
  bytesOf: (value: Value) => number,
): LRUCache<string, Value> {
  // lru-cache takes a `maxSize` of 0 for no limit, and rejects values of size 0.
  return maxBytes > 0
    ? new LRUCache({ maxSize: maxBytes, sizeCalculation: (value) => Math.max(1, bytesOf(value)) })
    : new LRUCache({ maxSize: 1, sizeCalculation: () => 2 });
}
