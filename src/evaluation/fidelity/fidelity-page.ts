/** A fidelity report as one HTML file. */
import { htmlList, htmlTable, page, type Section } from '../../reports/page.ts';
import { probabilityPlot } from '../../reports/probability-plots.ts';
import { settingsList } from '../report/settings-list.ts';
import type { FidelityReport } from './fidelity.ts';
import { answerRows, decisionRows, flippedRows, logprobRows } from './fidelity-table.ts';

export function fidelityPage(report: FidelityReport): string {
  const { dataset, reference, candidates } = report;
  const others = candidates.map(({ name }) => name).join(', ');
  return page({
    title: `${others} against ${reference.name} on ${dataset.name}`,
    summary: `${dataset.numQuestions} questions, the same for all. Intervals are 95 %.`,
    plots: decisionPlots(report),
    sections: [
      {
        title: 'Answers',
        note: 'Right before: the reference had it right and this package has not. Right now: the other way round.',
        body: htmlTable(answerRows(report)),
      },
      ...table(
        'Log-probabilities',
        'Of the twenty likeliest tokens at every position where the text so far is the same. KL takes all others as one token and is a lower bound.',
        logprobRows(report),
      ),
      ...table(
        'Decisions',
        'Margin: distance of the reference from a tie, in log odds. Questions within the largest shift could flip.',
        decisionRows(report),
      ),
      ...table('Flipped decisions', 'Every one, by its probabilities.', flippedRows(report)),
      {
        title: 'How it was asked',
        body: htmlList(
          settingsList(
            dataset,
            reference.settings,
            candidates.map(({ name, settings: { precision, source } }) => [
              name,
              precision === null ? source : `${precision}, ${source}`,
            ]),
          ),
        ),
      },
    ],
  });
}

function decisionPlots({ reference, comparisons }: FidelityReport): Section[] {
  return comparisons.flatMap(({ name, mode, decisions }): Section[] => {
    if (decisions === null) return [];
    const pairs = decisions.pairs.map(({ id, reference: first, other: second }) => ({
      name: id,
      first,
      second,
    }));
    return [
      {
        title: `p(think): ${name} against ${reference.name}`,
        note: `${decisions.flipped.length} of ${decisions.numMeasured} decisions differ in mode ${mode}; those stand out.`,
        body: probabilityPlot(pairs, [reference.name, name]),
      },
    ];
  });
}

function table(title: string, note: string, rows: readonly (readonly string[])[]): Section[] {
  return rows.length < 2 ? [] : [{ title, note, body: htmlTable(rows) }];
}
