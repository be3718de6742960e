import { Command, Option } from 'commander';
import { type ResolvedConfig, readConfig } from '../config/config.ts';
import { type NamedOption, OPTION_LIST, OPTIONS } from '../config/options.ts';
import { type RunningServer, startServer } from '../server/main.ts';

const { host, port } = OPTIONS.http;

/** Where `thinkgate serve` listens by default. */
export const DEFAULT_URL = `http://${host.default}:${port.default}`;

export type CommandConfig = ResolvedConfig & { readonly package: string };

/** Declares every option of the server on a command, grouped by topic. */
export function addServeOptions(command: Command): Command {
  for (const option of OPTION_LIST) {
    command.addOption(new Option(option.flags, describe(option)).helpGroup(`${option.group}:`));
  }
  return command.addHelpText('after', ENVIRONMENT_HELP);
}

const ENVIRONMENT_HELP = `
Environment:
  Each option has a variable: THINKGATE_MAX_NUM_SEQS=8 is --max-num-seqs 8,
  THINKGATE_OPEN_METRICS=true is --open-metrics, THINKGATE_PREFILL_GRAPH=false is
  --no-prefill-graph. A flag takes precedence over its variable.
`;

/** The sentence of an option, with its default. */
function describe(option: NamedOption): string {
  const isToggle = typeof option.default === 'boolean';
  const value = option.defaultHelp ?? (isToggle ? undefined : option.default?.toString());
  return value === undefined ? option.help : `${option.help} (default: ${value})`;
}

/**
 * The config of a command line. A flag takes precedence over its variable; an empty variable counts as not set.
 * @throws Error naming the option, its value and what it takes
 */
export function serveConfig(packageDir: string, command: Command): CommandConfig {
  const flags: Record<string, unknown> = command.opts();
  const names = new Map(command.options.map((option) => [option.long, option.attributeName()]));
  const config = readConfig(({ flag, env }) => {
    const name = names.get(flag);
    const isGiven = name !== undefined && command.getOptionValueSource(name) === 'cli';
    return isGiven ? flags[name] : process.env[env] || undefined;
  });
  return { ...config, package: packageDir };
}

/**
 * Starts a server for one command: on a free port of this machine, without API keys and TLS. The environment sets its
 * other options, as for `thinkgate serve`.
 */
export function startPrivateServer(packageDir: string): Promise<RunningServer> {
  const { http, log, ...config } = serveConfig(packageDir, addServeOptions(new Command()));
  return startServer({
    ...config,
    http: { ...http, host: host.default, port: 0, sslCertfile: null, sslKeyfile: null },
    access: {},
    log: { ...log, level: 'error' },
  });
}
