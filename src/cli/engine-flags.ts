import { z } from 'zod';
import type { DeviceRequest } from '../engine/runtime/device-request.ts';
import { defaultMaxThinkingSeqs } from '../engine/scheduler.ts';
import { KV_CACHE_KINDS } from '../package/manifest.ts';
import type { OptionRow } from './option-row.ts';

/** How the engine shares the machine between requests, as `thinkgate serve` takes it. */
export const engineFlagsShape = {
  engines: z.coerce.number().int().min(1).max(64).optional(),
  maxThinkingSeqs: z.coerce.number().int().min(1).max(256).optional(),
  maxStallMs: z.coerce.number().positive().max(60_000),
  speculation: z.boolean(),
  prefillGraph: z.boolean(),
  kvCache: z.enum(KV_CACHE_KINDS),
  deadline: z.coerce.number().positive().max(86_400).optional(),
} as const;

export const ENGINE_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--engines <count>',
    env: 'THINKGATE_ENGINES',
    description:
      'engine processes, each with the model, its slots and its share of --threads (default: 1, or one for each --device-id)',
  },
  {
    flags: '--max-thinkers <count>',
    env: 'THINKGATE_MAX_THINKERS',
    description:
      'slots that thinking may hold while others wait (default: all but one in four, which direct answers keep)',
  },
  {
    flags: '--max-stall-ms <time>',
    env: 'THINKGATE_MAX_STALL_MS',
    description: 'longest that prompts hold up running streams between two tokens',
    default: '500',
  },
  {
    flags: '--no-speculation',
    description: 'never guess the next tokens of a stream that runs alone from its own text',
  },
  {
    flags: '--no-prefill-graph',
    description:
      "leave a package's decoder for prompts unloaded, which saves its memory; prompts then take longer",
  },
  {
    flags: '--kv-cache <kind>',
    env: 'THINKGATE_KV_CACHE',
    description:
      'as what keys and values are kept: fp32 (on devices fp16), or int8, for the CPU and packages that `quantize-kv` prepared',
    default: 'fp32',
  },
  {
    flags: '--deadline <seconds>',
    env: 'THINKGATE_DEADLINE',
    description:
      'time of requests without `timeout`, from waiting to the last token (default: no limit)',
  },
];

/** @throws Error when thinkers are to hold more slots than there are */
export function maxThinkersOf(flags: {
  readonly slots: number;
  readonly maxThinkingSeqs?: number | undefined;
}): number {
  const { slots, maxThinkingSeqs = defaultMaxThinkingSeqs(slots) } = flags;
  if (maxThinkingSeqs > slots) {
    throw new Error(`--max-thinkers ${maxThinkingSeqs} is more than the ${slots} slots.`);
  }
  return maxThinkingSeqs;
}

/** The engines of a server, and the devices they take in turns. */
export interface EngineCount {
  readonly numEngines: number;
  readonly deviceIds: readonly number[];
}

/** @throws Error for a device without an engine, or an engine without a thread where it may need it */
export function engineCountOf(flags: {
  readonly engines?: number | undefined;
  readonly deviceId?: readonly number[] | undefined;
  readonly device: DeviceRequest['preference'];
  readonly threads: number;
}): EngineCount {
  const { deviceId: deviceIds = [0], device, threads } = flags;
  const { engines: numEngines = deviceIds.length } = flags;
  if (numEngines < deviceIds.length) {
    throw new Error(
      `--engines ${numEngines} is fewer than the ${deviceIds.length} devices of --device-id ${deviceIds}.`,
    );
  }
  if (numEngines > threads && (device === 'cpu' || device === 'auto')) {
    throw new Error(
      `--engines ${numEngines} is more than the ${threads} threads: each engine needs one (--threads).`,
    );
  }
  return { numEngines, deviceIds };
}
