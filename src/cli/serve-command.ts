import type { Command } from 'commander';
import { startServer } from '../server.ts';
import { printGreeting } from './greeting.ts';
import { addServeOptions, parseServeOptions } from './serve-options.ts';

/** Streams that run when the server is told to stop get this long to finish. */
const DRAIN_MS = 30_000;

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('serve a model package behind an OpenAI-compatible API')
    .argument('<package>', 'folder written by `thinkgate convert`');
  addServeOptions(command);
  command.action(async (packageDir: string, raw: Record<string, unknown>) => {
    const server = await startServer(packageDir, parseServeOptions(raw));
    printGreeting(server);
    closeOnSignal(() => server.close());
  });
}

/** The first signal drains; the second, or the deadline, ends at once. */
function closeOnSignal(close: () => Promise<void>): void {
  let closing = false;
  const onSignal = (): void => {
    if (closing) process.exit(1);
    closing = true;
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    void close().then(() => process.exit(0));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}
