/** Formats a quality report for the terminal. */
import { textTable } from '../../../reports/text-table.ts';
import type { DecoderQuality, QualityReport } from './measure-quality.ts';

/** Number of tensors shown: those with the largest error. */
const WORST_TENSORS = 8;

export function formatReport(report: QualityReport): string {
  const worst = [...report.tensors].sort((a, b) => b.relative - a.relative).slice(0, WORST_TENSORS);
  return [
    ...decoderLines(`Error of ${report.precision} weights`, report),
    ...(report.prefill
      ? decoderLines('Error of the prefill graph (int8 linears)', report.prefill)
      : []),
    table(
      [
        `${worst.length} weights with the largest error (of ${report.tensors.length})`,
        'stored as',
        'relative error',
        'largest error',
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

function decoderLines(title: string, { numTokens, layers, logits }: DecoderQuality): string[] {
  return [
    `${title}, on a sample of ${numTokens} tokens`,
    '',
    table(
      ['layer', 'error alone', 'accumulated'],
      layers.map(({ layer, isolated, accumulated }) => [
        String(layer),
        percent(isolated),
        percent(accumulated),
      ]),
    ),
    '',
    table(
      ['logits', ''],
      [
        ['relative error', percent(logits.relative)],
        ['KL divergence', `${logits.klDivergence.toExponential(2)} nats`],
        ['top-1 agreement', percent(logits.top1Agreement)],
      ],
    ),
    '',
  ];
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return textTable([header, ...rows]).trimEnd();
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.001 && share > 0 ? 5 : 2)} %`;
}
