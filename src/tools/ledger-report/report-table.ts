import { fixed, percent, seconds, signed } from '../../reports/text-table.ts';
import type { Interval } from '../../server/telemetry/savings.ts';
import type { GroupSummary, LedgerSummary } from './summarise.ts';

type Column = readonly [name: string, cell: (group: GroupSummary) => string];

const COLUMNS: readonly Column[] = [
  ['requests', ({ numRequests }) => String(numRequests)],
  ['errors', ({ numErrors }) => String(numErrors)],
  // Only the model's own decisions: forced ones repeat what the request asked for.
  ['model thinks', (g) => share(g.numModelThinks, g.numModelDecisions)],
  ['decided', ({ numModelDecisions }) => String(numModelDecisions)],
  ['all think', (g) => share(g.numThinks, g.numDecisions)],
  ['thinking tokens', ({ thinkingTokens }) => String(thinkingTokens)],
  ['answer tokens', ({ answerTokens }) => String(answerTokens)],
  ['prompt tokens', ({ promptTokens }) => String(promptTokens)],
  ['cached', (g) => share(g.cachedTokens, g.promptTokens)],
  ['budget ends', ({ numBudgetEnds }) => String(numBudgetEnds)],
  ['first answer p50', ({ firstAnswerP50 }) => time(firstAnswerP50)],
  ['p95', ({ firstAnswerP95 }) => time(firstAnswerP95)],
  ['tokens saved', ({ savings }) => (savings === null ? '-' : interval(savings.tokens))],
];

/** Rows of the table for the terminal and the page: header first, total last. */
export function reportRows({ total, groups }: LedgerSummary, by: string): string[][] {
  const row = (group: GroupSummary): string[] => [
    group.name,
    ...COLUMNS.map(([, cell]) => cell(group)),
  ];
  return [[by, ...COLUMNS.map(([name]) => name)], ...groups.map(row), row(total)];
}

function share(count: number, of: number): string {
  return of === 0 ? '-' : percent(count / of);
}

function time(ms: number): string {
  return Number.isNaN(ms) ? '-' : seconds(ms);
}

/** The estimate, with its interval in brackets. */
function interval({ estimate, lower, upper }: Interval): string {
  return `${signed(estimate)} [${fixed(lower)}, ${fixed(upper)}]`;
}

type Value = string | number | null;

/** The groups as CSV (RFC 4180): unrounded counts, times in seconds. */
export function reportCsv({ groups }: Pick<LedgerSummary, 'groups'>, by: string): string {
  const rows = groups.map((group) => fields(group, by));
  const header = Object.keys(rows[0] ?? fieldNames(by));
  const lines = [header, ...rows.map((row) => Object.values(row))];
  return lines.map((line) => `${line.map(toCell).join(',')}\r\n`).join('');
}

function fields(group: GroupSummary, by: string): Record<string, Value> {
  const { name, savings, probabilities, firstAnswerP50, firstAnswerP95, ...counts } = group;
  return {
    [by]: name,
    ...counts,
    firstAnswerP50: inSeconds(firstAnswerP50),
    firstAnswerP95: inSeconds(firstAnswerP95),
    tokensSaved: savings?.tokens.estimate ?? null,
    tokensSavedLower: savings?.tokens.lower ?? null,
    tokensSavedUpper: savings?.tokens.upper ?? null,
    secondsSaved: savings?.seconds.estimate ?? null,
    secondsSavedLower: savings?.seconds.lower ?? null,
    secondsSavedUpper: savings?.seconds.upper ?? null,
  };
}

/** Header of an empty table: the first column only. */
function fieldNames(by: string): Record<string, Value> {
  return { [by]: null };
}

function inSeconds(ms: number): number | null {
  return Number.isNaN(ms) ? null : ms / 1000;
}

/** Escapes a cell, and quotes names that a spreadsheet would evaluate as a formula. */
function toCell(value: Value): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
