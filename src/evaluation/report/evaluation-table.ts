import { fixed, percent, seconds, signed, textTable } from '../../reports/text-table.ts';
import type { Difference, Distribution, ModeSummary, Summary } from './evaluation-report.ts';

export type Rows = readonly (readonly string[])[];

/** The evaluation as tables for the terminal: modes, their differences, and accuracy by category. */
export function evaluationTable(summary: Summary): string {
  const tables = [modeRows(summary), differenceRows(summary), categoryRows(summary)];
  return tables
    .filter((rows) => rows.length > 1)
    .map(textTable)
    .join('\n');
}

export function modeRows({ modes }: Summary): Rows {
  return [MODE_HEADER, ...modes.map(modeRow)];
}

export function differenceRows({ differences }: Summary): Rows {
  return [DIFFERENCE_HEADER, ...differences.map(differenceRow)];
}

const MODE_HEADER = [
  ...['mode', 'questions', 'right', '95 %', 'tokens', 'thinking', 'answer', 'p90', 'cut off'],
  ...['thinks', 'latency', 'p90', 'thinking ended by'],
];

function modeRow(summary: ModeSummary): string[] {
  const { accuracy, tokens, latency, thinkingRate, endedBy } = summary;
  return [
    summary.mode,
    String(summary.numQuestions),
    percent(accuracy.value),
    `${percent(accuracy.low)} … ${percent(accuracy.high)}`,
    fixed(tokens.all.mean),
    fixed(tokens.thinking.mean),
    fixed(tokens.answer.mean),
    fixed(tokens.all.p90, 0),
    String(summary.finishReasons['length'] ?? 0),
    thinkingRate === null ? '?' : percent(thinkingRate.value),
    seconds(latency.total.mean),
    seconds(latency.total.p90),
    Object.entries(endedBy)
      .map(([why, count]) => `${why} ${count}`)
      .join(', ') || '-',
  ];
}

const DIFFERENCE_HEADER = [
  ...[
    'difference',
    'pairs',
    'right, points',
    '95 %',
    'tokens',
    '95 %',
    'only first',
    'only second',
  ],
];

function differenceRow(difference: Difference): string[] {
  const { accuracy, tokens } = difference;
  return [
    `${difference.from} → ${difference.to}`,
    String(difference.numQuestions),
    signed(100 * accuracy.value),
    `${signed(100 * accuracy.low)} … ${signed(100 * accuracy.high)}`,
    signed(tokens.value),
    `${signed(tokens.low)} … ${signed(tokens.high)}`,
    String(difference.onlyFrom),
    String(difference.onlyTo),
  ];
}

/** Means and percentiles of tokens and latencies. */
export function distributionRows({ modes }: Summary): Rows {
  const header = ['mode', '', 'mean', 'p50', 'p90', 'p99'];
  const row = (mode: string, what: string, found: Distribution): string[] => [
    ...[mode, what],
    ...[found.mean, found.p50, found.p90, found.p99].map((value) => fixed(value)),
  ];
  const rows = modes.flatMap(({ mode, tokens, latency }) => [
    row(mode, 'tokens', tokens.all),
    row(mode, 'thinking tokens', tokens.thinking),
    row(mode, 'answer tokens', tokens.answer),
    ...(latency.first === null ? [] : [row(mode, 'ms to the first text', latency.first)]),
    row(mode, 'ms to the end', latency.total),
  ]);
  return [header, ...rows];
}

/** Accuracy, tokens and thinking rate by category; empty for fewer than two categories. */
export function categoryRows({ modes }: Summary): Rows {
  const categories = categoriesOf(modes);
  if (categories.length < 2) return [];
  const header = [
    'category',
    'questions',
    ...modes.map(({ mode }) => `${mode}: right, tokens, thinks`),
  ];
  const rows = categories.map((category) => {
    const groups = modes.map((mode) => mode.categories[category]);
    const count = Math.max(...groups.map((group) => group?.numQuestions ?? 0));
    const cells = groups.map((group) => {
      if (group === undefined) return '-';
      const thinks = group.thinkingRate === null ? '?' : percent(group.thinkingRate.value);
      return `${percent(group.accuracy.value)}, ${fixed(group.meanTokens)}, ${thinks}`;
    });
    return [category, String(count), ...cells];
  });
  return [header, ...rows];
}

/** Names of the categories, in the order of the questions. */
export function categoriesOf(modes: readonly ModeSummary[]): string[] {
  return [...new Set(modes.flatMap((mode) => Object.keys(mode.categories)))];
}
