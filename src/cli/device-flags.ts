import { z } from 'zod';
import { DEVICE_PREFERENCES, type DeviceRequest } from '../engine/runtime/device-request.ts';
import type { KvCacheKind, Manifest } from '../package/manifest.ts';
import type { OptionRow } from './option-row.ts';

const BYTES_PER_MB = 1024 * 1024;

/** Most devices of one server. */
const MAX_DEVICES = 64;

const deviceIds = z
  .string()
  .transform((text) => text.split(',').map((id) => id.trim()))
  .pipe(
    z.array(z.string().regex(/^\d{1,4}$/, 'takes numbers, separated by commas')).max(MAX_DEVICES),
  )
  .transform((ids) => ids.map(Number))
  .refine((ids) => new Set(ids).size === ids.length, 'names a device twice; see --engines');

/** What computes, as `thinkgate serve` takes it. */
export const deviceFlagsShape = {
  device: z.enum(DEVICE_PREFERENCES),
  deviceId: deviceIds.optional(),
  deviceMemoryMb: z.coerce.number().min(1).optional(),
} as const;

export const DEVICE_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--device <name>',
    env: 'THINKGATE_DEVICE',
    description:
      'what computes: cpu, webgpu, cuda, or auto: CUDA, else a GPU by WebGPU, else the CPU',
    default: 'auto',
  },
  {
    flags: '--device-id <numbers>',
    env: 'THINKGATE_DEVICE_ID',
    description: 'which CUDA devices, separated by commas: an engine for each (default: 0)',
  },
  {
    flags: '--device-memory-mb <size>',
    env: 'THINKGATE_DEVICE_MEMORY_MB',
    description:
      'most memory of a CUDA device that each of decoder, vision tower and embedding may take, the KV cache as much again (default: no limit)',
  },
];

/**
 * Of the devices that are asked for, the first. An int8 KV cache is the CPU's, so `auto` is the CPU with it.
 * @throws Error when a setting of CUDA's is given for something else, or a device is asked for with an int8 KV cache
 */
export function deviceRequestOf(flags: {
  readonly device: DeviceRequest['preference'];
  readonly deviceId?: readonly number[] | undefined;
  readonly deviceMemoryMb?: number | undefined;
  readonly kvCache: KvCacheKind;
}): DeviceRequest {
  const { device, deviceId, deviceMemoryMb, kvCache } = flags;
  const forCuda = [
    ...(deviceId === undefined ? [] : [`--device-id ${deviceId}`]),
    ...(deviceMemoryMb === undefined ? [] : [`--device-memory-mb ${deviceMemoryMb}`]),
  ];
  if (device !== 'cuda' && forCuda.length > 0) {
    throw new Error(
      `${forCuda.join(' and ')} can be set for --device cuda only, not for --device ${device}.`,
    );
  }
  const memoryLimit =
    deviceMemoryMb === undefined ? null : Math.round(deviceMemoryMb * BYTES_PER_MB);
  const isInt8 = kvCache === 'int8';
  if (isInt8 && (device === 'webgpu' || device === 'cuda')) {
    throw new Error(`--kv-cache int8 is for the CPU, not for --device ${device}.`);
  }
  return { preference: isInt8 ? 'cpu' : device, id: deviceId?.[0] ?? 0, memoryLimit };
}

/** @throws Error when the package has no decoder for the KV cache asked for */
export function checkKvCache(
  kvCache: KvCacheKind,
  { int8Kv }: Pick<Manifest, 'int8Kv'>,
  packageDir: string,
): void {
  if (kvCache === 'fp32' || int8Kv !== undefined) return;
  throw new Error(
    `--kv-cache int8: ${packageDir} has no decoder for it; \`thinkgate quantize-kv ${packageDir}\` adds one.`,
  );
}
