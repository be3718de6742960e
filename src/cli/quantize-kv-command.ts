import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { builtinPrompts } from '../converter/quantization/quality/builtin-prompts.ts';
import { formatInt8KvReport } from '../converter/quantization/quality/int8-kv/int8-kv-report.ts';
import { quantizeKv } from '../converter/quantization/quality/int8-kv/quantize-kv.ts';
import { openBackend } from '../engine/runtime/backend.ts';
import { readPackage } from '../package/read-package.ts';
import { decimal, integer } from './arguments.ts';
import { countProgress, ProgressBar } from './progress-bar.ts';
import { questionPrompts } from './question-prompts.ts';

interface QuantizeKvFlags {
  readonly questions?: string;
  readonly limit: number;
  readonly maxTokens: number;
  readonly headroom: number;
  readonly threads: number;
}

/** Adds `thinkgate quantize-kv <package>`. */
export function registerQuantizeKv(program: Command): void {
  program
    .command('quantize-kv')
    .description('add a decoder with an int8 KV cache to a model package, and report its error')
    .argument('<package>', 'package folder')
    .option(
      '--questions <file>',
      'Prompts like those that you serve, in the format of `eval` (default: built-in prompts).',
    )
    .option('--limit <count>', 'Most questions run, evenly spread over the file.', integer(2), 32)
    .option('--max-tokens <count>', 'Most output tokens for each.', integer(0), 64)
    .option(
      '--headroom <factor>',
      'Range of the quantisation, as a multiple of the largest key or value seen.',
      decimal(0.1, 10),
      1.25,
    )
    .option('--threads <count>', 'CPU threads of one operator.', integer(1), availableParallelism())
    .action(runQuantizeKv);
}

async function runQuantizeKv(packageDir: string, flags: QuantizeKvFlags): Promise<void> {
  const { manifest } = await readPackage(packageDir);
  const prompts =
    flags.questions === undefined
      ? builtinPrompts(manifest.vision)
      : await questionPrompts(flags.questions, flags.limit);
  const { backend } = await openBackend('auto');
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new Error('Interrupted; the package is unchanged.'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const bar = new ProgressBar(process.stderr);
  try {
    const report = await quantizeKv({
      packageDir,
      backend,
      prompts,
      numThreads: flags.threads,
      headroom: flags.headroom,
      maxTokens: flags.maxTokens,
      onProgress: (done, total) => bar.update(countProgress(done, total, '')),
      signal: abort.signal,
    }).finally(() => bar.end());
    const file = `${resolve(packageDir)}.kv8.report.json`;
    await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(
      `${formatInt8KvReport(report)}\nadded ${report.files.join(' and ')} to ${packageDir}: serve it with --kv-cache-dtype int8\nwrote ${file}\n`,
    );
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}
