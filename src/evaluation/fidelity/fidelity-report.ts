import { htmlList, htmlTable, page, type Section } from '../../reports/page.ts';
import { probabilityPlot } from '../../reports/probability-plots.ts';
import { fixed, percent, signed, textTable } from '../../reports/text-table.ts';
import { settingsList } from '../run/settings.ts';
import type { Fidelity, FidelityReport } from './fidelity.ts';

type Rows = readonly (readonly string[])[];

/** Tables for the terminal: answers, log-probabilities and decisions of every candidate against the reference. */
export function fidelityTable(report: FidelityReport): string {
  return [answerRows(report), logprobRows(report), decisionRows(report), flippedRows(report)]
    .filter((rows) => rows.length > 1)
    .map(textTable)
    .join('\n');
}

export function answerRows({ reference, references, comparisons }: FidelityReport): Rows {
  const header = [
    ...['package', 'mode', 'right', '95 %', 'change, points', '95 %', 'tokens'],
    ...['same reply', 'other answer', 'lost', 'gained'],
  ];
  return [
    header,
    ...references.map(({ mode, accuracy, meanTokens }) => [
      ...[reference.name, mode, percent(accuracy.value)],
      `${percent(accuracy.low)} … ${percent(accuracy.high)}`,
      ...['', '', fixed(meanTokens), '', '', '', ''],
    ]),
    ...comparisons.map(({ name, mode, accuracy, accuracyChange, answers, ...rest }) => [
      ...[name, mode, percent(accuracy.value)],
      `${percent(accuracy.low)} … ${percent(accuracy.high)}`,
      signed(100 * accuracyChange.value),
      `${signed(100 * accuracyChange.low)} … ${signed(100 * accuracyChange.high)}`,
      fixed(rest.meanTokens),
      percent(answers.identical / rest.numQuestions),
      String(answers.changed),
      String(answers.lost),
      String(answers.gained),
    ]),
  ];
}

export function logprobRows({ comparisons }: FidelityReport): Rows {
  const header = [
    'package',
    'mode',
    'positions',
    'mean |Δ log p|',
    'largest',
    'KL, nats',
    'same top token',
  ];
  const rows = comparisons.flatMap(({ name, mode, logprobs }) =>
    logprobs === null
      ? []
      : [
          [
            ...[name, mode, String(logprobs.numPositions)],
            logprobs.meanAbsolute.toFixed(4),
            logprobs.largest.toFixed(3),
            logprobs.divergence.toExponential(2),
            percent(logprobs.sameFirst),
          ],
        ],
  );
  return [header, ...rows];
}

export function decisionRows({ comparisons }: FidelityReport): Rows {
  const header = [
    ...['package', 'mode', 'decisions', 'flipped', 'mean |Δ log odds|', 'p90', 'largest'],
    ...['margin: smallest', 'p10', 'median', 'within largest shift'],
  ];
  const rows = comparisons.flatMap(({ name, mode, decisions }) =>
    decisions === null
      ? []
      : [
          [
            ...[name, mode, String(decisions.numMeasured), String(decisions.flipped.length)],
            ...[decisions.shift.mean, decisions.shift.p90, decisions.shift.largest].map(short),
            ...[decisions.margin.smallest, decisions.margin.p10, decisions.margin.median].map(
              short,
            ),
            String(decisions.numAtRisk),
          ],
        ],
  );
  return [header, ...rows];
}

/** Every decision that differs, with both probabilities. */
export function flippedRows({ comparisons, reference }: FidelityReport): Rows {
  const header = [
    'flipped question',
    'package',
    `p(think), ${reference.name}`,
    'p(think), package',
  ];
  const rows = comparisons.flatMap(({ name, decisions }: Fidelity) =>
    (decisions?.flipped ?? []).map(({ id, reference: p, other }) => [
      ...[id, name, p.toFixed(4), other.toFixed(4)],
    ]),
  );
  return [header, ...rows];
}

function short(value: number): string {
  return value.toFixed(3);
}

/** The fidelity report as one HTML file. */
export function fidelityPage(report: FidelityReport): string {
  const { dataset, reference, candidates } = report;
  const others = candidates.map(({ name }) => name).join(', ');
  return page({
    title: `${others} against ${reference.name} on ${dataset.name}`,
    summary: `${dataset.numQuestions} questions, the same for all packages. Intervals are 95 %.`,
    plots: decisionPlots(report),
    sections: [
      {
        title: 'Answers',
        note: 'Lost: the reference is right and this package is not. Gained: the reverse.',
        body: htmlTable(answerRows(report)),
      },
      ...table(
        'Log-probabilities',
        'Of the twenty most probable tokens at every position with equal preceding text. KL treats all other tokens as one and is a lower bound.',
        logprobRows(report),
      ),
      ...table(
        'Decisions',
        'Margin: distance of the reference from a tie, in log odds. A question whose margin is below the largest shift could flip.',
        decisionRows(report),
      ),
      ...table(
        'Flipped decisions',
        'Every decision that differs, with both probabilities.',
        flippedRows(report),
      ),
      {
        title: 'Settings',
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
        note: `${decisions.flipped.length} of ${decisions.numMeasured} decisions differ in mode ${mode}; they are highlighted.`,
        body: probabilityPlot(pairs, [reference.name, name]),
      },
    ];
  });
}

function table(title: string, note: string, rows: readonly (readonly string[])[]): Section[] {
  return rows.length < 2 ? [] : [{ title, note, body: htmlTable(rows) }];
}
