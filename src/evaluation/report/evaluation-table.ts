import type { Difference, ModeSummary, Summary } from './summary.ts';
import { percent, seconds, signed, textTable } from './text-table.ts';

export type Rows = readonly (readonly string[])[];

/** The modes side by side, their differences, and accuracy by category, for the terminal. */
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
  ...['mode', 'questions', 'right', '95 %', 'tokens', 'thinking', 'answer', 'p90'],
  ...['thinks', 'latency', 'p90', 'thinking ended by'],
];

function modeRow(summary: ModeSummary): string[] {
  const { accuracy, tokens, latency, thinkingRate, endedBy } = summary;
  return [
    summary.mode,
    String(summary.numQuestions),
    percent(accuracy.value),
    `${percent(accuracy.low)} … ${percent(accuracy.high)}`,
    tokens.all.mean.toFixed(1),
    tokens.thinking.mean.toFixed(1),
    tokens.answer.mean.toFixed(1),
    tokens.all.p90.toFixed(0),
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

/** Empty where there is but one category. */
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
      return `${percent(group.accuracy.value)}, ${group.meanTokens.toFixed(1)}, ${thinks}`;
    });
    return [category, String(count), ...cells];
  });
  return [header, ...rows];
}

/** In the order of the questions. */
export function categoriesOf(modes: readonly ModeSummary[]): string[] {
  return [...new Set(modes.flatMap((mode) => Object.keys(mode.categories)))];
}
