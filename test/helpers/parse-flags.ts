import { Command } from 'commander';
import { addServeOptions, type CommandConfig, serveConfig } from '../../src/cli/serve-options.ts';

/** The config of `thinkgate serve models/nano` with these words after it. */
export function parseFlags(...words: readonly string[]): CommandConfig {
  const command = addServeOptions(new Command()).exitOverride();
  return serveConfig('models/nano', command.parse([...words], { from: 'user' }));
}

/** Sets a variable of the environment for the time of a test. */
export function setVariable(
  context: { after: (restore: () => void) => void },
  name: string,
  value: string,
): void {
  process.env[name] = value;
  context.after(() => delete process.env[name]);
}
