import { categoryPlot } from '../../reports/category-plot.ts';
import { htmlTable, legend, page, type Section } from '../../reports/page.ts';
import { pThinkHistogram } from '../../reports/probability-plots.ts';
import { proportion } from '../../reports/statistics.ts';
import type { GroupSummary } from './group-summary.ts';
import { hourPlot, TOKEN_LAYERS } from './hour-plot.ts';
import { reportRows } from './report-rows.ts';
import type { LedgerSummary } from './summarise.ts';

/** A ledger as one HTML file that loads nothing from anywhere. */
export function reportPage(summary: LedgerSummary, by: string): string {
  const { total, hours } = summary;
  const from = hours[0]?.name ?? '';
  const to = hours.at(-1)?.name ?? '';
  return page({
    title: 'Thinking, request by request',
    summary: `${total.numRequests} requests in the hours from ${from} to ${to}.`,
    plots: [...tokensByHour(hours), ...rates(summary, by), ...probabilities(total)],
    sections: [
      {
        title: `By ${by}`,
        note: 'Tokens saved are per request in auto mode against always thinking, with their 95 % interval; they need a hold-out (--holdout-share).',
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
      note: "Of the model's own decisions, their number in brackets; bars are 95 % intervals.",
      body: categoryPlot(`Thinking rate by ${by}`, rows),
    },
  ];
}

function probabilities({ probabilities: values }: GroupSummary): Section[] {
  if (values.length === 0) return [];
  return [
    {
      title: 'Probability of thinking',
      note: 'Raw, at the decision point, where it was measured.',
      body: pThinkHistogram(values),
    },
  ];
}
