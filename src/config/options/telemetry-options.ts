import { z } from 'zod';
import { decimal, inGroup, integer, positive, text } from '../option.ts';

const telemetry = inGroup('Log, ledger and traces');

export const LOG_OPTIONS = {
  level: telemetry({
    flags: '--log-level <level>',
    schema: z.enum(['silent', 'error', 'warn', 'info', 'debug']),
    default: 'info',
    help: 'Log level: silent, error, warn, info (a line for every request) or debug.',
  }),
} as const;

/** The record of every request that `thinkgate report` reads. */
export const LEDGER_OPTIONS = {
  folder: telemetry({
    flags: '--ledger <folder>',
    schema: text,
    default: null,
    defaultHelp: 'none',
    help: 'Folder for one line about every request, without its texts, for `thinkgate report`.',
  }),
  fsync: telemetry({
    flags: '--ledger-fsync <policy>',
    schema: z.enum(['always', 'interval', 'never']),
    default: 'interval',
    help: 'When the ledger is forced to disk: always (every request), interval (every second) or never.',
  }),
  fileMb: telemetry({
    flags: '--ledger-file-mb <size>',
    schema: positive(),
    default: 64,
    help: 'Size of a ledger file in MiB, after which the next one begins.',
  }),
  files: telemetry({
    flags: '--ledger-files <count>',
    schema: integer(1),
    default: 32,
    help: 'Most ledger files; the oldest are deleted.',
  }),
} as const;

export const TRACING_OPTIONS = {
  otlpTracesEndpoint: telemetry({
    flags: '--otlp-traces-endpoint <url>',
    schema: z.url({ protocol: /^https?$/ }),
    default: null,
    defaultHelp: 'no traces',
    help: 'OpenTelemetry collector that gets a trace of every request (OTLP over HTTP).',
  }),
  traceShare: telemetry({
    flags: '--trace-share <share>',
    schema: decimal(z.number().min(0).max(1)),
    default: 1,
    help: 'Share of requests to trace, 0 to 1, where the client does not decide it.',
  }),
} as const;
