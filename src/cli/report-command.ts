import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { textTable } from '../reports/text-table.ts';
import { readLedger } from '../tools/ledger-report/read-ledger.ts';
import { reportPage } from '../tools/ledger-report/report-page.ts';
import { reportCsv, reportRows } from '../tools/ledger-report/report-table.ts';
import { GROUPINGS, type Grouping, summarise } from '../tools/ledger-report/summarise.ts';
import { toDate } from './arguments.ts';

interface ReportFlags {
  readonly by: Grouping;
  readonly since?: Date;
  readonly until?: Date;
  readonly csv?: string;
  readonly html?: string;
}

/** Adds `thinkgate report <ledger>`. */
export function registerReport(program: Command): void {
  program
    .command('report')
    .description('report thinking rate, tokens and savings from the ledger of `serve --ledger`')
    .argument('<ledger>', 'folder of the ledger, or one of its files')
    .addOption(
      new Option('--by <what>', 'Grouping of the rows.').choices(GROUPINGS).default('model'),
    )
    .option(
      '--since <time>',
      'Leave out requests that ended before this time (ISO 8601, such as 2026-11-21).',
      toDate,
    )
    .option('--until <time>', 'Leave out requests that ended after this time.', toDate)
    .option('--csv <file>', 'Write the rows as CSV too; - writes them instead of the table.')
    .option('--html <file>', 'Write a page with plots too.')
    .action(report);
}

async function report(path: string, flags: ReportFlags): Promise<void> {
  const bad: string[] = [];
  const records = readLedger({
    path,
    since: flags.since ?? null,
    until: flags.until ?? null,
    onBadLine: (file, line) => bad.push(`${file}:${line}`),
  });
  const summary = await summarise(records, flags.by);
  if (bad.length > 0) {
    process.stderr.write(
      `thinkgate: ${bad.length} lines are no records and were left out, the first ${bad[0]}\n`,
    );
  }
  if (summary.total.numRequests === 0) throw new Error(`no requests of that time in ${path}`);
  const csv = reportCsv(summary, flags.by);
  process.stdout.write(flags.csv === '-' ? csv : textTable(reportRows(summary, flags.by)));
  if (flags.csv !== undefined && flags.csv !== '-') await writeFile(flags.csv, csv);
  if (flags.html !== undefined) await writeFile(flags.html, reportPage(summary, flags.by));
}
