import type { ResolvedConfig } from '../../config/config.ts';
import { MAX_DEFAULT_MODEL_LEN } from '../../config/options/engine-options.ts';
import type { EngineSettings } from '../../engine/messages.ts';
import type { DeviceRequest } from '../../engine/runtime/device-request.ts';
import { defaultMaxThinkingSeqs } from '../../engine/scheduler.ts';
import type { KvCacheKind, Manifest } from '../../package/manifest.ts';
import type { StartOptions } from '../engines/start-engines.ts';

const BYTES_PER_MB = 1024 * 1024;

type EngineConfig = ResolvedConfig['engine'];

/**
 * The settings of all engine processes together.
 * @throws Error where the options contradict each other or ask for what the model cannot do
 */
export function engineSettings(
  engine: EngineConfig,
  manifest: Pick<Manifest, 'text'>,
): EngineSettings {
  return {
    backend: engine.backend,
    device: deviceRequest(engine),
    numThreads: engine.threads,
    numSlots: engine.maxNumSeqs,
    slotCapacity: slotCapacity(engine, manifest.text.maxPositions),
    prefillChunk: engine.prefillChunk,
    tilesPerStep: 1,
    maxThinkingSeqs: maxThinkingSeqs(engine),
    stallMs: engine.maxStallMs,
    speculates: engine.speculativeDecoding,
    prefillGraph: engine.prefillGraph,
    kvCache: engine.kvCacheDtype,
    reuse: {
      prefixes: engine.enablePrefixCaching,
      featureBytes: Math.round(engine.featureCacheMb * BYTES_PER_MB),
    },
  };
}

function slotCapacity({ maxModelLen }: EngineConfig, maxPositions: number): number {
  if (maxModelLen !== null && maxModelLen > maxPositions) {
    throw new Error(
      `--max-model-len ${maxModelLen} is more than the ${maxPositions} positions of the model.`,
    );
  }
  return maxModelLen ?? Math.min(maxPositions, MAX_DEFAULT_MODEL_LEN);
}

/**
 * The first of the devices that are asked for. Only the CPU has an int8 KV cache, so `auto` is the CPU with it.
 * @throws Error when an option for CUDA is given for another device, or an int8 KV cache for a GPU
 */
export function deviceRequest({
  device,
  deviceId,
  deviceMemoryMb,
  kvCacheDtype,
}: Pick<EngineConfig, 'device' | 'deviceId' | 'deviceMemoryMb' | 'kvCacheDtype'>): DeviceRequest {
  const forCuda = [
    ...(deviceId === null ? [] : [`--device-id ${deviceId}`]),
    ...(deviceMemoryMb === null ? [] : [`--device-memory-mb ${deviceMemoryMb}`]),
  ];
  if (device !== 'cuda' && forCuda.length > 0) {
    throw new Error(
      `${forCuda.join(' and ')} can be set for --device cuda only, not for --device ${device}.`,
    );
  }
  const isInt8 = kvCacheDtype === 'int8';
  if (isInt8 && (device === 'webgpu' || device === 'cuda')) {
    throw new Error(`--kv-cache-dtype int8 is for the CPU, not for --device ${device}.`);
  }
  return {
    preference: isInt8 ? 'cpu' : device,
    id: deviceId?.[0] ?? 0,
    memoryLimit: deviceMemoryMb === null ? null : Math.round(deviceMemoryMb * BYTES_PER_MB),
  };
}

/** @throws Error when the package has no decoder for this KV cache */
export function checkKvCache(
  kvCache: KvCacheKind,
  { int8Kv }: Pick<Manifest, 'int8Kv'>,
  packageDir: string,
): void {
  if (kvCache === 'fp32' || int8Kv !== undefined) return;
  throw new Error(
    `--kv-cache-dtype int8: ${packageDir} has no decoder for it; \`thinkgate quantize-kv ${packageDir}\` adds one.`,
  );
}

/**
 * Sequences that may think while other requests wait, in each engine.
 * @throws Error when it is more than all sequences
 */
export function maxThinkingSeqs({
  maxNumSeqs,
  maxNumThinkingSeqs,
}: Pick<EngineConfig, 'maxNumSeqs' | 'maxNumThinkingSeqs'>): number {
  if (maxNumThinkingSeqs !== null && maxNumThinkingSeqs > maxNumSeqs) {
    throw new Error(
      `--max-num-thinking-seqs ${maxNumThinkingSeqs} is more than the ${maxNumSeqs} sequences of --max-num-seqs.`,
    );
  }
  return maxNumThinkingSeqs ?? defaultMaxThinkingSeqs(maxNumSeqs);
}

/**
 * How many engine processes there are, and the devices they take in turns.
 * @throws Error for a device without an engine, or an engine without a thread where it may need one
 */
export function engineCount({
  deviceId,
  device,
  threads,
  dataParallelSize,
}: Pick<EngineConfig, 'deviceId' | 'device' | 'threads' | 'dataParallelSize'>): Pick<
  StartOptions,
  'numEngines' | 'deviceIds'
> {
  const deviceIds = deviceId ?? [0];
  const numEngines = dataParallelSize ?? deviceIds.length;
  if (numEngines < deviceIds.length) {
    throw new Error(
      `--data-parallel-size ${numEngines} is fewer than the ${deviceIds.length} devices of --device-id ${deviceIds}.`,
    );
  }
  if (numEngines > threads && (device === 'cpu' || device === 'auto')) {
    throw new Error(
      `--data-parallel-size ${numEngines} is more than the ${threads} threads: each engine needs one (--threads).`,
    );
  }
  return { numEngines, deviceIds };
}
