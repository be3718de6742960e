/** A quality report as text for the terminal. */
import { textTable } from '../../../reports/text-table.ts';
import type { DecoderQuality, QualityReport } from './measure-quality.ts';

/** Tensors shown: those that lost most. */
const WORST_TENSORS = 8;

export function formatReport(report: QualityReport): string {
  const worst = [...report.tensors].sort((a, b) => b.relative - a.relative).slice(0, WORST_TENSORS);
  return [
    ...decoderLines(`What ${report.precision} costs`, report),
    ...(report.prefill ? decoderLines('What the decoder for prompts costs', report.prefill) : []),
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

function decoderLines(title: string, { numTokens, layers, logits }: DecoderQuality): string[] {
  return [
    `${title}, on a probe of ${numTokens} tokens`,
    '',
    table(
      ['layer', 'alone', 'accumulated'],
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
        ['same first choice', percent(logits.top1Agreement)],
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
