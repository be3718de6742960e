import { Command } from 'commander';
import { type RunningServer, startServer } from '../server/main.ts';
import { addServeOptions, parseServeOptions } from './serve-options.ts';

/** A server of our own on a free port, with every other setting as `thinkgate serve` would have it. */
export function startQuietly(
  packageDir: string,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<RunningServer> {
  const defaults = addServeOptions(new Command()).parse([], { from: 'user' }).opts();
  const options = parseServeOptions({
    ...defaults,
    host: '127.0.0.1',
    port: 0,
    logLevel: 'error',
    ...settings,
  });
  return startServer(packageDir, options);
}
