import type { Command } from 'commander';
import { startServer } from '../server/main.ts';
import { printGreeting } from './greeting.ts';
import { addServeOptions, parseServeOptions } from './serve-options.ts';

/** What ends on its own after the drain gets this long; then the process ends it. */
const GRACE_MS = 10_000;

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('serve a model package behind an OpenAI-compatible API')
    .argument('<package>', 'folder written by `thinkgate convert`');
  addServeOptions(command);
  command.action(async (packageDir: string, raw: Record<string, unknown>) => {
    const options = parseServeOptions(raw);
    const server = await startServer(packageDir, options);
    printGreeting(server);
    closeOnSignal(() => server.close(), options.drainTimeout * 1000 + GRACE_MS);
  });
}

/** The first signal drains; the second, or the deadline, ends at once. Exit code 0 means that nothing was cut off. */
function closeOnSignal(close: () => Promise<boolean>, deadlineMs: number): void {
  let closing = false;
  const onSignal = (): void => {
    if (closing) process.exit(1);
    closing = true;
    setTimeout(() => process.exit(1), deadlineMs).unref();
    void close().then((isComplete) => process.exit(isComplete ? 0 : 1));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}
