import type { Option } from './option.ts';
import { type NamedOption, OPTION_LIST, type OPTIONS, type Topic } from './options.ts';

type Settings<Rows> = {
  readonly [Name in keyof Rows]: Rows[Name] extends Option<infer Value, infer Default>
    ? [Default] extends [null]
      ? Value | null
      : Value
    : never;
};

type Optional<Values> = { readonly [Name in keyof Values]?: Values[Name] | undefined };

/** A config with every option filled in; null where one is not set and has no default. */
export type ResolvedConfig = {
  readonly [Name in Topic]: Settings<(typeof OPTIONS)[Name]>;
};

/**
 * What a server is started with: the folder of a model package, and any option by topic, such as
 * `{ package: 'models/nano', http: { port: 0 }, thinking: { mode: 'fast' } }`. Absent options take their defaults.
 */
export type ServerConfig = {
  readonly package: string;
} & { readonly [Name in Topic]?: Optional<ResolvedConfig[Name]> | undefined };

/** Values of options by topic and name, not checked yet. */
type RawConfig = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

/**
 * Checks every option and fills in the defaults.
 * @throws Error naming the option, its value and what it takes
 */
export function resolveConfig({ package: _, ...config }: ServerConfig): ResolvedConfig {
  return parseConfig(config);
}

/** The defaults of all options. */
export const DEFAULTS: ResolvedConfig = parseConfig({});

/**
 * Reads a config from texts, such as those of a command line.
 * @param textOf text or switch of an option; undefined where it is not set
 * @throws Error naming the option, its value and what it takes
 */
export function readConfig(textOf: (option: NamedOption) => unknown): ResolvedConfig {
  const raw: Record<string, Record<string, unknown>> = {};
  for (const option of OPTION_LIST) {
    raw[option.topic] = { ...raw[option.topic], [option.name]: textOf(option) };
  }
  return parseConfig(raw);
}

function parseConfig(raw: RawConfig): ResolvedConfig {
  const resolved: Record<string, Record<string, unknown>> = {};
  for (const option of OPTION_LIST) {
    const value = raw[option.topic]?.[option.name];
    resolved[option.topic] = {
      ...resolved[option.topic],
      [option.name]: value === undefined ? option.default : check(option, value),
    };
  }
  assertKnown(raw, resolved);
  return resolved as unknown as ResolvedConfig;
}

function check(option: NamedOption, value: unknown): unknown {
  if (value === null && option.default === null) return null;
  const parsed = option.schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const message = parsed.error.issues[0]?.message ?? 'invalid';
  throw new Error(`${option.flag} ${String(value)}: ${message}`);
}

function assertKnown(raw: RawConfig, resolved: Record<string, Record<string, unknown>>): void {
  for (const [topic, values] of Object.entries(raw)) {
    for (const name of Object.keys(values ?? {})) {
      if (resolved[topic] === undefined || !Object.hasOwn(resolved[topic], name)) {
        throw new Error(`The config has no option ${topic}.${name}.`);
      }
    }
  }
}
