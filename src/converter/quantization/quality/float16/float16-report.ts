/** Formats a float16 report for the terminal. */
import { percent, textTable } from '../../../../reports/text-table.ts';
import { FLOAT16_MAX, type LargestValue, overflows } from './largest-values.ts';
import type { Float16Report } from './measure-float16.ts';
import type { PromptOutcome } from './outcome.ts';

const NAME_WIDTH = 44;

export function formatFloat16Report(report: Float16Report): string {
  const { prompts, largest } = report;
  const images = prompts.filter(({ numImages }) => numImages > 0).length;
  return [
    `Error of float16 arithmetic on a GPU, at the end of ${prompts.length} prompts, ${images} with an image`,
    '',
    textTable([
      ['largest value of all prompts', 'layer', 'magnitude', `of ${FLOAT16_MAX}`],
      ...largestOfKinds(largest).map(largestRow),
    ]).trimEnd(),
    '',
    overflowSentence(largest.filter(overflows)),
    '',
    textTable([
      ['logits in float16 against', 'relative error', 'KL divergence', 'top-1 agreement'],
      errorRow('the checkpoint in float32', report.againstReference),
      errorRow("the package's weights in float32", report.againstDequantized),
    ]).trimEnd(),
    '',
    textTable([
      ['p(think)', 'tokens', 'reference', 'dequantized', 'fp16', ''],
      ...prompts.map(promptRow),
    ]).trimEnd(),
    '',
    decisionSentence(prompts),
    '',
  ].join('\n');
}

/** The layer with the largest magnitude of every kind of value, in order of computation. */
function largestOfKinds(values: readonly LargestValue[]): LargestValue[] {
  const kinds = new Map<string, LargestValue>();
  for (const value of values) {
    const kind = `${value.part} ${value.value}`;
    const before = kinds.get(kind);
    if (before === undefined || size(value) > size(before)) kinds.set(kind, value);
  }
  return [...kinds.values()];
}

function size({ largest }: LargestValue): number {
  return largest ?? Number.POSITIVE_INFINITY;
}

function largestRow(value: LargestValue): string[] {
  const { part, layer, type, largest } = value;
  const share = largest === null ? '' : percent(largest / FLOAT16_MAX);
  return [
    `${part} ${value.value}${type === 'float32' ? ' (in float32)' : ''}`,
    layer === null ? '' : String(layer),
    largest === null ? 'infinite' : largest.toPrecision(4),
    overflows(value) ? `${share} overflows`.trim() : share,
  ];
}

function overflowSentence(lost: readonly LargestValue[]): string {
  const [first] = lost;
  if (first === undefined) return 'No value leaves the range of float16.';
  const place = first.layer === null ? '' : ` of layer ${first.layer}`;
  return `${lost.length} kinds of value overflow, counted by layer; the first is ${first.part} ${first.value}${place}.`;
}

function errorRow(against: string, error: Float16Report['againstReference']): string[] {
  if (error === null) return [against, 'not numbers', '', ''];
  const { relative, klDivergence, top1Agreement } = error;
  return [
    against,
    `${(100 * relative).toFixed(3)} %`,
    `${klDivergence.toExponential(2)} nats`,
    percent(top1Agreement),
  ];
}

function promptRow({
  name,
  numTokens,
  pThink,
  flippedBy,
  sameFirstToken,
}: PromptOutcome): string[] {
  const remarks = [
    ...(flippedBy.length > 0 ? [`flipped by ${flippedBy.join(', then by ')}`] : []),
    ...(sameFirstToken ? [] : ['different first token']),
  ];
  const probability = (value: number | null | undefined): string =>
    value === undefined ? '' : (value?.toFixed(4) ?? 'not a number');
  return [
    shortened(name),
    String(numTokens),
    probability(pThink?.reference),
    probability(pThink?.dequantized),
    probability(pThink?.fp16),
    remarks.join(', '),
  ];
}

function decisionSentence(prompts: readonly PromptOutcome[]): string {
  if (prompts.every(({ pThink }) => pThink === null)) {
    return 'The thinking protocol has no decision point.';
  }
  const flipped = (by: 'weights' | 'float16'): string => {
    const names = prompts
      .filter(({ flippedBy }) => flippedBy.includes(by))
      .map(({ name }) => shortened(name));
    return names.length === 0 ? 'none' : `${names.length} (${names.join('; ')})`;
  };
  return (
    `Of ${prompts.length} decisions to think, float16 flips ${flipped('float16')}, ` +
    `the package's weights flip ${flipped('weights')}.`
  );
}

/** A prompt's name, cut to the width of the column. */
function shortened(name: string): string {
  const line = name.replaceAll(/\s+/g, ' ');
  return line.length > NAME_WIDTH ? `${line.slice(0, NAME_WIDTH - 1)}…` : line;
}
