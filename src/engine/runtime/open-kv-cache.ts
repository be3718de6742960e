import { DECODER_IO } from '../../package/graph-io.ts';
import { DeviceKvCache } from './device-kv-cache.ts';
import { HostKvCache } from './host-kv-cache.ts';
import {
  CACHE_ELEMENT_TYPES,
  type CacheElementType,
  type KvCache,
  type KvCacheShape,
} from './kv-cache.ts';
import { type Backend, RuntimeError, type Session } from './session.ts';

/**
 * Takes memory for a decoder's cache where the backend computes.
 * @throws RuntimeError when there is not enough, or the graph's keys and values are of no type a cache can be of
 */
export async function openKvCache(
  backend: Backend,
  decoder: Session,
  sizes: Omit<KvCacheShape, 'elementType'>,
): Promise<KvCache> {
  const shape = { ...sizes, elementType: cacheElementType(decoder) };
  const { device } = backend;
  return device === null ? new HostKvCache(shape) : DeviceKvCache.open(backend, device, shape);
}

/** The graph says what its cache is made of. */
function cacheElementType(decoder: Session): CacheElementType {
  const type = decoder.inputType(DECODER_IO.pastKey(0));
  const known = CACHE_ELEMENT_TYPES.find((candidate) => candidate === type);
  if (known !== undefined) return known;
  throw new RuntimeError(
    `The decoder keeps its keys and values as ${type}; a cache can be of ${CACHE_ELEMENT_TYPES.join(', ')}.`,
  );
}
