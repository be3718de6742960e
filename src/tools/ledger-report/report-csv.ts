import type { GroupSummary } from './group-summary.ts';
import type { LedgerSummary } from './summarise.ts';

type Value = string | number | null;

/** One line a group, in whole numbers and seconds, for a spreadsheet; lines end as RFC 4180 has it. */
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

/** Without a group there is nothing but the first column. */
function fieldNames(by: string): Record<string, Value> {
  return { [by]: null };
}

function inSeconds(ms: number): number | null {
  return Number.isNaN(ms) ? null : ms / 1000;
}

/** A name may hold anything, also what a spreadsheet would take for a formula. */
function toCell(value: Value): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
