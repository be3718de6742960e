import type { Estimate } from '../../package/profile.ts';
import { htmlList, htmlTable, legend, page, type Section } from '../../reports/page.ts';
import { pThinkHistogram, reliabilityPlot } from '../../reports/probability-plots.ts';
import { percent, textTable } from '../../reports/text-table.ts';
import { type MarkedPoint, type Trace, tradeOffPlot } from '../../reports/trade-off-plot.ts';
import { settingsList } from '../run/settings.ts';
import type { CalibrationReport } from './calibrate.ts';
import type { OperatingPoint } from './operating-points.ts';

/** The calibration as a table for the terminal: the chosen thresholds and the reference points on held-out questions. */
export function calibrationTable(report: CalibrationReport): string {
  return [textTable(calibrationRows(report)), ...calibrationNotes(report), ''].join('\n');
}

export function calibrationRows({ profiles, references }: CalibrationReport): readonly string[][] {
  return [
    HEADER,
    referenceRow('never thinking', references.never),
    referenceRow("the model's own choice", references.own),
    referenceRow('always thinking', references.always),
    referenceRow('perfect choice', references.oracle),
    ...profiles.map(({ name, profile }) => {
      const { accuracy, meanTokens, tokensShare, thinkingRate } = profile.heldOut;
      return [
        name,
        profile.threshold.toPrecision(4),
        percent(accuracy.value),
        `${percent(accuracy.low)} … ${percent(accuracy.high)}`,
        meanTokens.value.toFixed(1),
        `${meanTokens.low.toFixed(1)} … ${meanTokens.high.toFixed(1)}`,
        percent(tokensShare.value),
        percent(thinkingRate.value),
      ];
    }),
  ];
}

/** Sentences on how the figures were measured and how well p(think) predicts that thinking pays. */
export function calibrationNotes({ split, reliability }: CalibrationReport): string[] {
  const { auroc, calibrationError } = reliability;
  const order =
    auroc === null
      ? 'Thinking pays on all questions or on none'
      : `p(think) ranks a question on which thinking pays above another ${percent(auroc)} of the time (AUROC)`;
  return [
    `Thresholds chosen on ${split.numChosenOn} questions and measured on ${split.numHeldOut} others; 95 % intervals by bootstrap.`,
    `${order}; calibration error ${calibrationError.toFixed(3)}.`,
  ];
}

const HEADER = ['', 'threshold', 'right', '95 %', 'tokens', '95 %', 'of always', 'thinks'];

function referenceRow(
  name: string,
  { accuracy, meanTokens, thinkingRate }: Omit<OperatingPoint, 'threshold'>,
): string[] {
  return [name, '', percent(accuracy), '', meanTokens.toFixed(1), '', '', percent(thinkingRate)];
}

/** The calibration as one HTML file. */
export function calibrationPage(report: CalibrationReport): string {
  const { dataset, settings, split } = report;
  return page({
    title: `Thresholds of ${settings.model} on ${dataset.name}`,
    summary: calibrationNotes(report).join(' '),
    plots: [curve(report), reliability(report), histogram(report)],
    sections: [
      { title: 'On held-out questions', body: htmlTable(calibrationRows(report)) },
      {
        title: 'Settings',
        body: htmlList(
          settingsList(dataset, settings, [
            [
              'split',
              `${split.numChosenOn} to choose on, ${split.numHeldOut} held out, seed ${split.seed}`,
            ],
            [
              'decision cost',
              `${report.decisionCost.fast} tokens before a direct answer, ${report.decisionCost.think} before thinking`,
            ],
            ['left out', `${dataset.numIncomplete} questions without p(think) or without a result`],
          ]),
        ),
      },
    ],
  });
}

function curve({ curves, references, profiles }: CalibrationReport): Section {
  const { never, always, own, oracle } = references;
  const traces: Trace[] = [
    { style: 'plain', points: curves.chosenOn.map(placeOf) },
    { style: 'auto', points: curves.heldOut.map(placeOf) },
  ];
  const points: MarkedPoint[] = [
    exact('never', 'fast', never),
    exact("the model's own", 'auto', own),
    exact('always', 'think', always),
    exact('perfect choice', 'plain', oracle),
    ...profiles.map(({ name, profile: { heldOut } }) => ({
      name,
      style: 'other',
      x: heldOut.meanTokens,
      y: heldOut.accuracy,
    })),
  ];
  const names = legend([
    ['auto', 'held-out questions'],
    ['plain', 'questions chosen on (dashed)'],
    ['other', 'profiles, with 95 % intervals'],
  ]);
  return {
    title: 'Accuracy against tokens by threshold',
    note: 'From never thinking to always thinking. A dashed line above the solid one shows how much the choice of thresholds overfits.',
    body: names + tradeOffPlot({ title: 'Accuracy against tokens by threshold', points, traces }),
  };
}

function placeOf({ meanTokens, accuracy }: OperatingPoint): readonly [number, number] {
  return [meanTokens, accuracy];
}

function exact(name: string, style: string, point: Omit<OperatingPoint, 'threshold'>): MarkedPoint {
  const only = (value: number): Estimate => ({ value, low: value, high: value });
  return { name, style, x: only(point.meanTokens), y: only(point.accuracy) };
}

function reliability({ reliability: found }: CalibrationReport): Section {
  const points = found.bins.map(({ meanP, thinkingPays, numQuestions }) => ({
    meanP,
    share: thinkingPays,
    numQuestions,
  }));
  return {
    title: 'Reliability of p(think)',
    note: 'Thinking pays on a question that only thinking answers correctly. When the dots rise, p(think) separates such questions from others; on the dashed line, it equals their share.',
    body: reliabilityPlot(points),
  };
}

function histogram({ pThink, profiles }: CalibrationReport): Section {
  const marks = profiles.map(({ name, profile }) => ({ name, value: profile.threshold }));
  return {
    title: 'p(think) and the thresholds',
    note: 'The model thinks about the questions to the right of a threshold.',
    body: pThinkHistogram(pThink, marks),
  };
}
