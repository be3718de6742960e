import { basename } from 'node:path';
import type { Command } from 'commander';
import type { Dataset } from '../evaluation/dataset/question.ts';
import { readDataset } from '../evaluation/dataset/read-dataset.ts';
import { EvaluationError } from '../evaluation/evaluation-error.ts';
import { type Candidate, fidelityReport } from '../evaluation/fidelity/fidelity.ts';
import { fidelityPage, fidelityTable } from '../evaluation/fidelity/fidelity-report.ts';
import { evaluationPage } from '../evaluation/report/evaluation-page.ts';
import { evaluationReport } from '../evaluation/report/evaluation-report.ts';
import { evaluationTable } from '../evaluation/report/evaluation-table.ts';
import type { Failure } from '../evaluation/run/runner.ts';
import { addEvaluationOptions, type EvaluationFlags } from './evaluation-options.ts';
import { evaluate, reportFailures, untilInterrupted, writeReports } from './evaluation-session.ts';
import { DEFAULT_URL } from './serve-options.ts';

interface EvalFlags extends EvaluationFlags {
  readonly url: string;
  readonly package?: string;
  readonly modes?: string;
  readonly compare?: readonly string[];
}

/** Adds `thinkgate eval <dataset>`. */
export function registerEval(program: Command): void {
  const command = program
    .command('eval')
    .description('ask a server labelled questions and compare its thinking modes');
  addEvaluationOptions(command)
    .option('--url <url>', 'Server to ask: thinkgate or any OpenAI-compatible one.', DEFAULT_URL)
    .option('--package <folder>', 'Model package to serve and ask, instead of a running server.')
    .option(
      '--modes <list>',
      'Modes to compare: fast, auto, think, auto@PROFILE; plain for other servers (default: all of the server).',
    )
    .option(
      '--compare <packages...>',
      'Two or more packages or server URLs; each is compared with the first.',
    )
    .action(runEval);
}

async function runEval(path: string, flags: EvalFlags): Promise<void> {
  const { categoryField, limit } = flags;
  const dataset = await readDataset(path, { categoryField, limit });
  const modes = flags.modes?.split(',').map((mode) => mode.trim());
  if (flags.compare !== undefined) return await runCompare(dataset, flags, flags.compare, modes);
  const target = { packageDir: flags.package, url: flags.url };
  const evaluated = await untilInterrupted((signal) =>
    evaluate({ dataset, flags, target, modes, signal }),
  );
  const report = evaluationReport(dataset, evaluated, {
    matcher: flags.match,
    concurrency: flags.concurrency,
  });
  process.stdout.write(evaluationTable(report));
  await writeReports(flags.out, 'report', { json: report, html: evaluationPage(report) });
  if (reportFailures(evaluated.failures)) process.exitCode = 1;
}

/** Most likely tokens listed at every position: the most that servers allow. */
const LISTED_TOKENS = 20;

async function runCompare(
  dataset: Dataset,
  flags: EvalFlags,
  targets: readonly string[],
  modes: readonly string[] = ['auto'],
): Promise<void> {
  if (targets.length < 2) {
    throw new EvaluationError('--compare needs two packages or more: the first is the reference.');
  }
  const body = { ...flags.body, logprobs: true, top_logprobs: LISTED_TOKENS };
  const names = distinctNames(targets);
  const candidates: Candidate[] = [];
  const failures: Failure[] = [];
  await untilInterrupted(async (signal) => {
    for (const [index, target] of targets.entries()) {
      process.stderr.write(`${target}\n`);
      const evaluated = await evaluate({
        dataset,
        flags: { ...flags, body },
        target: /^https?:/.test(target) ? { url: target } : { packageDir: target, url: '' },
        modes,
        signal,
      });
      candidates.push({ name: names[index] ?? target, ...evaluated });
      failures.push(...evaluated.failures);
    }
  });
  const report = fidelityReport(dataset, candidates);
  process.stdout.write(fidelityTable(report));
  await writeReports(flags.out, 'fidelity', { json: report, html: fidelityPage(report) });
  if (reportFailures(failures)) process.exitCode = 1;
}

/** The last part of each folder, where these differ. */
function distinctNames(targets: readonly string[]): string[] {
  const short = targets.map((target) => (/^https?:/.test(target) ? target : basename(target)));
  return new Set(short).size === short.length ? short : [...targets];
}
