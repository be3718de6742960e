import { z } from 'zod';
import type { HttpSettings } from '../server/http/settings.ts';
import type { OptionRow } from './option-row.ts';

const seconds = z.coerce.number().positive().max(86_400);

/** What one client may take of the server, as `thinkgate serve` takes it. */
export const limitFlagsShape = {
  bodyLimitMb: z.coerce.number().positive(),
  headerTimeout: seconds,
  requestTimeout: seconds,
  maxChoices: z.coerce.number().int().min(1),
  slowReaderTimeout: seconds,
  maxConnections: z.coerce.number().int().min(1),
  drainTimeout: z.coerce.number().min(0).max(86_400),
} as const;

export const LIMIT_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--body-limit-mb <size>',
    env: 'THINKGATE_BODY_LIMIT_MB',
    description: 'largest request body',
    default: '32',
  },
  {
    flags: '--header-timeout <seconds>',
    env: 'THINKGATE_HEADER_TIMEOUT',
    description: 'time a client has to send the headers of a request',
    default: '20',
  },
  {
    flags: '--request-timeout <seconds>',
    env: 'THINKGATE_REQUEST_TIMEOUT',
    description: 'time a client has to send a whole request',
    default: '120',
  },
  {
    flags: '--max-choices <count>',
    env: 'THINKGATE_MAX_CHOICES',
    description: 'most choices (n) of one request',
    default: '8',
  },
  {
    flags: '--slow-reader-timeout <seconds>',
    env: 'THINKGATE_SLOW_READER_TIMEOUT',
    description: 'time after which a client that takes nothing of its event stream is dropped',
    default: '60',
  },
  {
    flags: '--max-connections <count>',
    env: 'THINKGATE_MAX_CONNECTIONS',
    description: 'connections at once; more are closed',
    default: '1024',
  },
  {
    flags: '--drain-timeout <seconds>',
    env: 'THINKGATE_DRAIN_TIMEOUT',
    description: 'time running requests get to finish when the server is told to stop',
    default: '30',
  },
];

type LimitFlags = z.output<z.ZodObject<typeof limitFlagsShape>>;

export function toLimits(
  flags: LimitFlags,
): Pick<
  HttpSettings,
  | 'bodyLimitBytes'
  | 'drainMs'
  | 'headersTimeoutMs'
  | 'maxChoices'
  | 'maxConnections'
  | 'requestTimeoutMs'
  | 'slowReaderMs'
> {
  return {
    bodyLimitBytes: Math.round(flags.bodyLimitMb * 1024 * 1024),
    headersTimeoutMs: Math.ceil(flags.headerTimeout * 1000),
    requestTimeoutMs: Math.ceil(flags.requestTimeout * 1000),
    maxChoices: flags.maxChoices,
    slowReaderMs: Math.ceil(flags.slowReaderTimeout * 1000),
    maxConnections: flags.maxConnections,
    drainMs: Math.ceil(flags.drainTimeout * 1000),
  };
}
