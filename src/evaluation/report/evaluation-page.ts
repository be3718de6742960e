import type { Estimate } from '../../package/profile.ts';
import { type CategoryRow, categoryPlot } from '../../reports/category-plot.ts';
import { htmlList, htmlTable, legend, modeStyle, page, type Section } from '../../reports/page.ts';
import { pThinkHistogram } from '../../reports/probability-plots.ts';
import { type Trace, tradeOffPlot } from '../../reports/trade-off-plot.ts';
import { settingsList } from '../run/settings.ts';
import type { EvaluationReport, ModeSummary, Summary } from './evaluation-report.ts';
import {
  categoriesOf,
  categoryRows,
  differenceRows,
  distributionRows,
  modeRows,
} from './evaluation-table.ts';

/** The evaluation as one HTML file: plots, and the tables of the terminal. */
export function evaluationPage(report: EvaluationReport): string {
  const { dataset, settings, matcher, failures } = report;
  const failed = failures.length === 0 ? '' : `, ${failures.length} requests failed`;
  return page({
    title: `${settings.model} on ${dataset.name}`,
    summary: `${dataset.numQuestions} questions in ${report.modes.length} modes${failed}. Bars and ranges are 95 % intervals.`,
    plots: [...tradeOff(report), ...histogram(report), ...byCategory(report)],
    sections: [
      { title: 'Modes', body: htmlTable(modeRows(report)) },
      ...(report.differences.length === 0
        ? []
        : [
            {
              title: 'Paired differences',
              note: 'The second mode minus the first, on the same questions; intervals by paired bootstrap.',
              body: htmlTable(differenceRows(report)),
            },
          ]),
      ...categoryTable(report),
      { title: 'Tokens and latency', body: htmlTable(distributionRows(report)) },
      {
        title: 'Settings',
        body: htmlList(
          settingsList(dataset, settings, [
            ['matcher', matcher],
            ['concurrent requests', String(report.concurrency)],
          ]),
        ),
      },
    ],
  });
}

function tradeOff({ modes }: Summary): Section[] {
  const counted = modes.filter(({ meanTokens }) => Number.isFinite(meanTokens));
  if (counted.length === 0) return [];
  const [fast, think] = ['fast', 'think'].map((name) => counted.find(({ mode }) => mode === name));
  const line: Trace[] =
    fast && think ? [{ style: 'plain', points: [placeOf(fast), placeOf(think)] }] : [];
  return [
    {
      title: 'Accuracy against tokens',
      note: 'Up is better, left is cheaper. A mode above the dashed line beats a random mix of fast and think.',
      body: tradeOffPlot({
        title: 'Accuracy against mean tokens by mode',
        traces: line,
        points: counted.map(({ mode, accuracy, tokens }) => ({
          name: mode,
          style: modeStyle(mode),
          x: tokens.all.interval,
          y: accuracy,
        })),
      }),
    },
  ];
}

function placeOf({ meanTokens, accuracy }: ModeSummary): readonly [number, number] {
  return [meanTokens, accuracy.value];
}

function histogram({ pThink }: Summary): Section[] {
  if (pThink.length === 0) return [];
  return [
    {
      title: 'Distribution of p(think)',
      note: 'Probability of thinking at the decision point, before any bias. At temperature 0 the model thinks from 50 % on.',
      body: pThinkHistogram(pThink),
    },
  ];
}

function byCategory({ modes }: Summary): Section[] {
  if (categoriesOf(modes).length < 2) return [];
  const choosing = modes.filter(({ mode }) => mode !== 'fast' && mode !== 'think');
  const categories = byThinkingRate(categoriesOf(modes), choosing[0]);
  const names = (shown: readonly ModeSummary[]): string =>
    legend(shown.map(({ mode }) => [modeStyle(mode), mode] as const));
  const rates = rowsOf(
    choosing,
    categories,
    (mode, category) => mode.categories[category]?.thinkingRate,
  );
  const accuracies = rowsOf(
    modes,
    categories,
    (mode, category) => mode.categories[category]?.accuracy,
  );
  return [
    ...(rates.length === 0
      ? []
      : [
          {
            title: 'Thinking rate by category',
            note: 'Share of questions that the model chooses to think about.',
            body: names(choosing) + categoryPlot('Thinking rate by category', rates),
          },
        ]),
    {
      title: 'Accuracy by category',
      body: names(modes) + categoryPlot('Accuracy by category', accuracies),
    },
  ];
}

/** Orders categories by thinking rate, highest first. */
function byThinkingRate(categories: readonly string[], mode: ModeSummary | undefined): string[] {
  const rate = (name: string): number => mode?.categories[name]?.thinkingRate?.value ?? 0;
  return [...categories].sort((a, b) => rate(b) - rate(a));
}

function rowsOf(
  modes: readonly ModeSummary[],
  categories: readonly string[],
  read: (mode: ModeSummary, category: string) => Estimate | null | undefined,
): CategoryRow[] {
  return categories.flatMap((name): CategoryRow[] => {
    const values = modes.flatMap((mode) => {
      const share = read(mode, name);
      return share ? [{ series: mode.mode, style: modeStyle(mode.mode), share }] : [];
    });
    const counts = modes.map((mode) => mode.categories[name]?.numQuestions ?? 0);
    return values.length === 0 ? [] : [{ name, numQuestions: Math.max(...counts), values }];
  });
}

function categoryTable(report: Summary): Section[] {
  const rows = categoryRows(report);
  return rows.length === 0 ? [] : [{ title: 'By category', body: htmlTable(rows) }];
}
