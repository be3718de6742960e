import { fixed, percent, seconds, signed } from '../../reports/text-table.ts';
import type { Interval } from '../../server/telemetry/savings.ts';
import type { GroupSummary } from './group-summary.ts';
import type { LedgerSummary } from './summarise.ts';

type Column = readonly [name: string, cell: (group: GroupSummary) => string];

const COLUMNS: readonly Column[] = [
  ['requests', ({ numRequests }) => String(numRequests)],
  ['errors', ({ numErrors }) => String(numErrors)],
  // Of what the model decided itself: forced requests would only show what was asked for.
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

/** Rows of a table for people, the header first and the total last. */
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

/** Of one request: the estimate, and in brackets how far it may be off. */
function interval({ estimate, lower, upper }: Interval): string {
  return `${signed(estimate)} [${fixed(lower)}, ${fixed(upper)}]`;
}
