import type { z } from 'zod';
import { ACCESS_OPTIONS } from './options/access-options.ts';
import { ENGINE_OPTIONS } from './options/engine-options.ts';
import { HTTP_OPTIONS } from './options/http-options.ts';
import { IMAGE_OPTIONS } from './options/image-options.ts';
import { LEDGER_OPTIONS, LOG_OPTIONS, TRACING_OPTIONS } from './options/telemetry-options.ts';
import { THINKING_OPTIONS } from './options/thinking-options.ts';

/**
 * Every option of the server, by topic, in the order of the help. The command line, the environment and the type of a
 * config come from this table. A default stands here and nowhere else.
 */
export const OPTIONS = {
  http: HTTP_OPTIONS,
  thinking: THINKING_OPTIONS,
  engine: ENGINE_OPTIONS,
  access: ACCESS_OPTIONS,
  images: IMAGE_OPTIONS,
  log: LOG_OPTIONS,
  ledger: LEDGER_OPTIONS,
  tracing: TRACING_OPTIONS,
} as const;

export type Topic = keyof typeof OPTIONS;

/** A row of the table with all its names. */
export interface NamedOption {
  readonly topic: Topic;
  /** Within its topic. */
  readonly name: string;
  /** In a config file: `http.port`. */
  readonly key: string;
  /** On the command line, with its placeholder: `--port <number>`. */
  readonly flags: string;
  /** On the command line: `--port`. */
  readonly flag: string;
  /** In the environment. A flag `--no-x` has the variable of `x`, which `false` turns off. */
  readonly env: string;
  readonly group: string;
  readonly help: string;
  readonly default: unknown;
  readonly defaultHelp?: string;
  readonly schema: z.ZodType;
}

/** The table as a list. */
export const OPTION_LIST: readonly NamedOption[] = Object.entries(OPTIONS).flatMap(
  ([topic, rows]) =>
    Object.entries(rows).map(([name, row]): NamedOption => {
      const [flag = ''] = row.flags.split(' ');
      const env = `THINKGATE_${flag
        .replace(/^--(no-)?/, '')
        .replaceAll('-', '_')
        .toUpperCase()}`;
      return { ...row, topic: topic as Topic, name, key: `${topic}.${name}`, flag, env };
    }),
);
