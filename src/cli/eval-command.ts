import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { readDataset } from '../evaluation/dataset/read-dataset.ts';
import { evaluationReport } from '../evaluation/report/evaluation-report.ts';
import { evaluationTable } from '../evaluation/report/evaluation-table.ts';
import { addEvaluationOptions, DEFAULT_URL, type EvaluationFlags } from './evaluation-options.ts';
import { evaluate, reportFailures, untilInterrupted } from './evaluation-session.ts';

interface EvalFlags extends EvaluationFlags {
  readonly url: string;
  readonly package?: string;
  readonly modes?: string;
}

/** Adds `thinkgate eval <dataset>`. */
export function registerEval(program: Command): void {
  const command = program
    .command('eval')
    .description('ask a server labelled questions and compare its modes of thinking');
  addEvaluationOptions(command)
    .option('--url <url>', 'server to ask, ours or any OpenAI-compatible one', DEFAULT_URL)
    .option('--package <folder>', 'model package to serve and ask, instead of a running server')
    .option(
      '--modes <list>',
      'of fast, auto, think, auto@PROFILE; plain for other servers (default: what the server can do)',
    )
    .action(runEval);
}

async function runEval(path: string, flags: EvalFlags): Promise<void> {
  const { categoryField, limit } = flags;
  const dataset = await readDataset(path, { categoryField, limit });
  const target = { packageDir: flags.package, url: flags.url };
  const modes = flags.modes?.split(',').map((mode) => mode.trim());
  const evaluated = await untilInterrupted((signal) =>
    evaluate({ dataset, flags, target, modes, signal }),
  );
  const report = evaluationReport(dataset, evaluated, flags.match);
  process.stdout.write(evaluationTable(report));
  const file = join(flags.out, 'report.json');
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`\nwrote ${file}\n`);
  if (reportFailures(evaluated.failures)) process.exitCode = 1;
}
