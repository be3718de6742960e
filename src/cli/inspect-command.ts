import type { Command } from 'commander';
import { describePackage } from '../package/describe.ts';
import { readPackage } from '../package/read-package.ts';

/** Adds `thinkgate inspect <package>`. */
export function registerInspect(program: Command): void {
  program
    .command('inspect')
    .description('print the contents of a model package')
    .argument('<package>', 'package folder')
    .option('--verify', 'Check the sha256 of every file.')
    .option('--json', 'Print the manifest as JSON.')
    .action(async (dir: string, options: { verify?: boolean; json?: boolean }) => {
      const { manifest } = await readPackage(dir, { verify: options.verify ?? false });
      const text = options.json
        ? `${JSON.stringify(manifest, null, 2)}\n`
        : describePackage(manifest);
      process.stdout.write(text);
      if (options.verify && !options.json)
        process.stdout.write('\nevery file matches its sha256\n');
    });
}
