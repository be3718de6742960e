import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { ACCESS_FLAG_ROWS, accessFlagsShape } from './access-flags.ts';
import { DEVICE_FLAG_ROWS, deviceFlagsShape } from './device-flags.ts';
import { ENGINE_FLAG_ROWS, engineFlagsShape } from './engine-flags.ts';
import { IMAGE_FLAG_ROWS, imageFlagsShape } from './image-flags.ts';
import { LEDGER_FLAG_ROWS, ledgerFlagsShape } from './ledger-flags.ts';
import { LIMIT_FLAG_ROWS, limitFlagsShape } from './limit-flags.ts';
import type { OptionRow } from './option-row.ts';
import { THINKING_FLAG_ROWS, thinkingFlagsShape } from './thinking-flags.ts';
import { TRACING_FLAG_ROWS, tracingFlagsShape } from './tracing-flags.ts';

/** What can be set of `thinkgate serve`, after checking. */
export const serveOptionsSchema = z.strictObject({
  host: z.string().min(1),
  port: z.coerce.number().int().min(0).max(65_535),
  name: z.string().min(1).optional(),
  slots: z.coerce.number().int().min(1).max(256),
  context: z.coerce.number().int().min(16).optional(),
  threads: z.coerce.number().int().min(1).max(256),
  backend: z.enum(['auto', 'ffi', 'node']),
  maxQueue: z.coerce.number().int().min(0),
  prefillChunk: z.coerce.number().int().min(1),
  prefixCache: z.boolean(),
  featureCacheMb: z.coerce.number().min(0),
  maxTokens: z.coerce.number().int().min(1).optional(),
  ...deviceFlagsShape,
  ...engineFlagsShape,
  ...thinkingFlagsShape,
  ...accessFlagsShape,
  ...limitFlagsShape,
  ...imageFlagsShape,
  ...ledgerFlagsShape,
  ...tracingFlagsShape,
  verify: z.boolean(),
  logLevel: z.enum(['silent', 'error', 'warn', 'info', 'debug']),
});

export type ServeOptions = z.output<typeof serveOptionsSchema>;

/** The command line, one row per option; `env` names the variable that sets it where the flag is absent. */
export const SERVE_OPTION_ROWS: readonly OptionRow[] = [
  {
    flags: '--host <address>',
    env: 'THINKGATE_HOST',
    description: 'address to listen on',
    default: '127.0.0.1',
  },
  {
    flags: '--port <number>',
    env: 'THINKGATE_PORT',
    description: 'port to listen on; 0 takes a free one',
    default: '8000',
  },
  {
    flags: '--name <model>',
    env: 'THINKGATE_NAME',
    description: "name clients put in `model` (default: the package's own)",
  },
  {
    flags: '--slots <count>',
    env: 'THINKGATE_SLOTS',
    description: 'sequences that run at once, in each engine',
    default: '4',
  },
  {
    flags: '--context <tokens>',
    env: 'THINKGATE_CONTEXT',
    description:
      "positions per slot, prompt and output together (default: the model's, at most 16384)",
  },
  {
    flags: '--threads <count>',
    env: 'THINKGATE_THREADS',
    description: 'threads inside one operator, divided among the engines',
    default: String(availableParallelism()),
  },
  {
    flags: '--backend <name>',
    env: 'THINKGATE_BACKEND',
    description: 'how ONNX Runtime is called: auto, ffi (in place) or stock (copies)',
    default: 'auto',
  },
  {
    flags: '--max-queue <count>',
    env: 'THINKGATE_MAX_QUEUE',
    description: 'requests that may wait for a slot; more are refused with 503',
    default: '64',
  },
  {
    flags: '--prefill-chunk <tokens>',
    env: 'THINKGATE_PREFILL_CHUNK',
    description: 'most prompt tokens processed between two tokens of running streams',
    default: '256',
  },
  {
    flags: '--no-prefix-cache',
    description: 'compute every prompt from its first token, whatever a slot still holds of it',
  },
  {
    flags: '--feature-cache-mb <size>',
    env: 'THINKGATE_FEATURE_CACHE_MB',
    description: 'image features kept for images that come again; 0 keeps none',
    default: '256',
  },
  {
    flags: '--max-tokens <count>',
    env: 'THINKGATE_MAX_TOKENS',
    description: 'max_tokens of requests that name none (default: the rest of the slot)',
  },
  ...DEVICE_FLAG_ROWS,
  ...ENGINE_FLAG_ROWS,
  ...THINKING_FLAG_ROWS,
  ...ACCESS_FLAG_ROWS,
  ...LIMIT_FLAG_ROWS,
  ...IMAGE_FLAG_ROWS,
  ...LEDGER_FLAG_ROWS,
  ...TRACING_FLAG_ROWS,
  {
    flags: '--verify',
    description: "check every file's sha256 before serving",
    default: false,
  },
  {
    flags: '--log-level <level>',
    env: 'THINKGATE_LOG_LEVEL',
    description: 'silent, error, warn, info (one line per request) or debug',
    default: 'info',
  },
];

/** Declares every option of `thinkgate serve` on a command. */
export function addServeOptions(command: Command): Command {
  for (const row of SERVE_OPTION_ROWS) {
    const option = new Option(row.flags, row.description);
    if (row.env !== undefined) option.env(row.env);
    if (row.default !== undefined) option.default(row.default);
    command.addOption(option);
  }
  return command;
}

/** @throws Error naming the option, what it takes and what it got. */
export function parseServeOptions(raw: Record<string, unknown>): ServeOptions {
  const parsed = serveOptionsSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const key = String(issue?.path[0] ?? '');
  const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new Error(`--${flag} ${String(raw[key])}: ${issue?.message ?? 'invalid'}`);
}
