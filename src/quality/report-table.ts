/** A quality report as text for the terminal. */
import { textTable } from '../reports/text-table.ts';
import type { QualityReport } from './measure-quality.ts';

/** Tensors shown: those that lost most. */
const WORST_TENSORS = 8;

export function formatReport(report: QualityReport): string {
  const worst = [...report.tensors].sort((a, b) => b.relative - a.relative).slice(0, WORST_TENSORS);
  const { relative, klDivergence, top1Agreement } = report.logits;
  return [
    `What ${report.precision} costs, on a probe of ${report.numTokens} tokens`,
    '',
    table(
      ['layer', 'alone', 'accumulated'],
      report.layers.map(({ layer, isolated, accumulated }) => [
        String(layer),
        percent(isolated),
        percent(accumulated),
      ]),
    ),
    '',
    table(
      ['logits', ''],
      [
        ['relative error', percent(relative)],
        ['KL divergence', `${klDivergence.toExponential(2)} nats`],
        ['same first choice', percent(top1Agreement)],
      ],
    ),
    '',
    table(
      [
        `${worst.length} weights that lost most (of ${report.tensors.length})`,
        'as',
        'relative',
        'largest',
      ],
      worst.map((error) => [
        error.name,
        error.form,
        percent(error.relative),
        error.maxAbsolute.toExponential(2),
      ]),
    ),
    '',
  ].join('\n');
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return textTable([header, ...rows]).trimEnd();
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.001 && share > 0 ? 5 : 2)} %`;
}
