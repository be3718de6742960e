import { categoryPlot } from '../../reports/category-plot.ts';
import { axisOver, framed, type Scales } from '../../reports/chart.ts';
import { tag, tooltip } from '../../reports/markup.ts';
import { htmlTable, legend, page, type Section } from '../../reports/page.ts';
import { pThinkHistogram } from '../../reports/probability-plots.ts';
import { proportion } from '../../reports/statistics.ts';
import { reportRows } from './report-table.ts';
import type { GroupSummary, LedgerSummary } from './summarise.ts';

/** The ledger report as one HTML file that loads no other resource. */
export function reportPage(summary: LedgerSummary, by: string): string {
  const { total, hours } = summary;
  const from = hours[0]?.name ?? '';
  const to = hours.at(-1)?.name ?? '';
  return page({
    title: 'Ledger report',
    summary: `${total.numRequests} requests in the hours from ${from} to ${to}.`,
    plots: [...tokensByHour(hours), ...rates(summary, by), ...probabilities(total)],
    sections: [
      {
        title: `By ${by}`,
        note: 'Tokens saved: per request in auto mode against always thinking, with the 95 % interval. They need a hold-out (--holdout-share).',
        body: htmlTable(reportRows(summary, by)),
      },
    ],
  });
}

function tokensByHour(hours: readonly GroupSummary[]): Section[] {
  if (hours.length === 0) return [];
  const names = TOKEN_LAYERS.map(({ style, name }) => [style, name] as const);
  return [{ title: 'Generated tokens', body: legend(names) + hourPlot(hours) }];
}

function rates({ groups }: LedgerSummary, by: string): Section[] {
  const rows = groups
    .filter(({ numModelDecisions }) => numModelDecisions > 0)
    .map(({ name, numModelThinks, numModelDecisions }) => ({
      name,
      numQuestions: numModelDecisions,
      values: [
        { series: 'thinks', style: 'auto', share: proportion(numModelThinks, numModelDecisions) },
      ],
    }));
  if (rows.length === 0) return [];
  return [
    {
      title: `Thinking rate by ${by}`,
      note: "Share of the model's own decisions, with their number in brackets; bars are 95 % intervals.",
      body: categoryPlot(`Thinking rate by ${by}`, rows),
    },
  ];
}

function probabilities({ probabilities: values }: GroupSummary): Section[] {
  if (values.length === 0) return [];
  return [
    {
      title: 'Probability of thinking',
      note: 'At the decision point, before any bias, where measured.',
      body: pThinkHistogram(values),
    },
  ];
}

const HOUR_MS = 3_600_000;

interface Layer {
  readonly style: string;
  readonly name: string;
  readonly tokens: (hour: GroupSummary) => number;
}

/** Layers of a bar, from the axis upwards. */
export const TOKEN_LAYERS: readonly Layer[] = [
  { style: 'fast', name: 'answer', tokens: (hour) => hour.answerTokens },
  { style: 'think', name: 'thinking', tokens: (hour) => hour.thinkingTokens },
];

/** Plots generated tokens by hour, thinking stacked on answers; hours without requests are gaps. */
export function hourPlot(hours: readonly GroupSummary[]): string {
  const times = hours.map(({ name }) => Date.parse(name));
  const tops = hours.map((hour) => TOKEN_LAYERS.reduce((sum, { tokens }) => sum + tokens(hour), 0));
  const first = Math.min(...times);
  const last = Math.max(...times) + HOUR_MS;
  const step = Math.max(1, Math.ceil((last - first) / HOUR_MS / 6)) * HOUR_MS;
  const ticks = Array.from(
    { length: Math.floor((last - first) / step) + 1 },
    (_, i) => first + i * step,
  );
  return framed({
    title: 'Generated tokens by hour',
    x: { low: first, high: last, ticks, label: 'hour (UTC)', format: hourLabel },
    y: axisOver([0, ...tops], { label: 'tokens', least: 0 }),
    draw: (scales) => hours.map((hour, index) => bar(hour, times[index] ?? 0, scales)).join(''),
  });
}

function hourLabel(time: number): string {
  return new Date(time).toISOString().slice(5, 16).replace('T', ' ');
}

function bar(hour: GroupSummary, time: number, { x, y }: Scales): string {
  const width = Math.max(1, x(time + HOUR_MS) - x(time) - 1);
  let below = 0;
  return TOKEN_LAYERS.map(({ style, name, tokens }) => {
    const count = tokens(hour);
    const top = y(below + count);
    const height = y(below) - top;
    below += count;
    return tag(
      'rect',
      { class: `bar ${style}`, x: x(time), y: top, width, height },
      tooltip(`${hour.name}: ${count} ${name} tokens of ${hour.numRequests} requests`),
    );
  }).join('');
}
