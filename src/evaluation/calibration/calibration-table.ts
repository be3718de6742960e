import { percent, textTable } from '../../reports/text-table.ts';
import type { CalibrationReport } from './calibrate.ts';
import type { OperatingPoint } from './curve.ts';

/** The chosen thresholds beside the ends and the model's own choice, on held-out questions, for the terminal. */
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

/** How to read the figures, and what p(think) is worth. */
export function calibrationNotes({ split, reliability }: CalibrationReport): string[] {
  const { auroc, calibrationError } = reliability;
  const order =
    auroc === null
      ? 'Thinking pays on all questions or on none'
      : `p(think) puts a question on which thinking pays above another ${percent(auroc)} of the time`;
  return [
    `Thresholds chosen on ${split.numChosenOn} questions, figures from ${split.numHeldOut} others, 95 % intervals by bootstrap.`,
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
