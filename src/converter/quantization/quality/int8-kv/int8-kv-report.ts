import { formatBytes } from '../../../../package/describe.ts';
import { quantile } from '../../../../reports/statistics.ts';
import { textTable } from '../../../../reports/text-table.ts';
import type { LogitDistance } from '../distances.ts';
import type { CacheShape, LayerClipping } from './cache-ranges.ts';

/** p(think) of one prompt, with the fp32 KV cache and with the int8 one. */
export interface DecisionPair {
  readonly prompt: string;
  readonly before: number;
  readonly after: number;
}

export interface DecisionShifts {
  readonly pairs: readonly DecisionPair[];
  /** Pairs on different sides of ½: the model decides differently. */
  readonly flipped: readonly DecisionPair[];
  /** |Δ p(think)|. */
  readonly shift: { readonly median: number; readonly p90: number; readonly largest: number };
  /** Smallest |p(think) − ½| with the fp32 KV cache. */
  readonly smallestMargin: number;
}

/** @returns null when there are no pairs */
export function decisionShifts(pairs: readonly DecisionPair[]): DecisionShifts | null {
  if (pairs.length === 0) return null;
  const shifts = pairs.map(({ before, after }) => Math.abs(after - before)).sort((a, b) => a - b);
  return {
    pairs,
    flipped: pairs.filter(({ before, after }) => before >= 0.5 !== after >= 0.5),
    shift: {
      median: quantile(shifts, 0.5),
      p90: quantile(shifts, 0.9),
      largest: quantile(shifts, 1),
    },
    smallestMargin: Math.min(...pairs.map(({ before }) => Math.abs(before - 0.5))),
  };
}

/** Bytes of the keys and values of 1,000 tokens, over all layers. */
export interface CacheMemory {
  readonly fp32: number;
  readonly int8: number;
}

export interface Int8KvReport {
  /** Name of the model. */
  readonly name: string;
  /** Graph files that were added. */
  readonly files: readonly string[];
  readonly headroom: number;
  /** Calibration prompts, and the prompts of all figures below. */
  readonly numCalibrated: number;
  readonly numMeasured: number;
  readonly logits: LogitDistance;
  /** null when the thinking protocol has no decision point. */
  readonly decisions: DecisionShifts | null;
  readonly layers: readonly LayerClipping[];
  readonly memory: CacheMemory;
}

/** Memory of a KV cache in both element types. */
export function cacheMemory({ numLayers, numKvHeads, headDim }: CacheShape): CacheMemory {
  const elements = 1000 * numLayers * 2 * numKvHeads * headDim;
  return { fp32: elements * Float32Array.BYTES_PER_ELEMENT, int8: elements };
}

/** Formats the report for the terminal. */
export function formatInt8KvReport(report: Int8KvReport): string {
  const { numCalibrated, numMeasured, headroom } = report;
  return [
    `An int8 KV cache for ${report.name}: scales calibrated on ${numCalibrated} prompts with a headroom of ${headroom}, measured on ${numMeasured} other prompts`,
    '',
    textTable([['logits', ''], ...logitRows(report)]),
    textTable([['decisions to think', ''], ...decisionRows(report.decisions)]),
    textTable([
      ['memory of 1,000 tokens', ''],
      ['fp32', formatBytes(report.memory.fp32)],
      ['int8', formatBytes(report.memory.int8)],
    ]),
    textTable([
      ['layer', 'keys clipped', 'values clipped', 'largest ÷ limit'],
      ...report.layers.map(layerRow),
    ]),
    ...flippedLines(report.decisions),
    ...warning(report.layers),
  ].join('\n');
}

function logitRows({ logits }: Int8KvReport): string[][] {
  return [
    ['positions compared', String(logits.numPositions)],
    ['relative error', share(logits.relative)],
    ['largest difference', logits.largest.toPrecision(3)],
    ['KL divergence', `${logits.klDivergence.toExponential(2)} nats`],
    ['top-1 agreement', share(logits.top1Agreement)],
  ];
}

function decisionRows(decisions: DecisionShifts | null): string[][] {
  if (decisions === null) return [['not measured', 'the thinking protocol has no decision point']];
  const { pairs, flipped, shift, smallestMargin } = decisions;
  return [
    ['measured', String(pairs.length)],
    ['flipped', String(flipped.length)],
    ['p(think) moved, median', shift.median.toExponential(2)],
    ['p(think) moved, 90th percentile', shift.p90.toExponential(2)],
    ['p(think) moved, largest', shift.largest.toExponential(2)],
    ['nearest to a tie in fp32', smallestMargin.toPrecision(3)],
  ];
}

function layerRow({ layer, keys, values, overshoot }: LayerClipping): string[] {
  return [String(layer), share(keys), share(values), overshoot.toFixed(2)];
}

function flippedLines(decisions: DecisionShifts | null): string[] {
  const flipped = decisions?.flipped ?? [];
  return flipped.map(
    ({ prompt, before, after }) =>
      `flipped: p(think) ${before.toFixed(3)} → ${after.toFixed(3)}: ${prompt}\n`,
  );
}

/** Above this share, the calibration prompts do not represent the measured ones. */
const MUCH_CLIPPING = 1e-3;

function warning(layers: readonly LayerClipping[]): string[] {
  const worst = layers.filter(({ keys, values }) => Math.max(keys, values) > MUCH_CLIPPING);
  if (worst.length === 0) return [];
  const which = worst.map(({ layer }) => layer).join(', ');
  return [
    `More than ${share(MUCH_CLIPPING)} is clipped in layers ${which}: calibrate on more prompts like those you serve, or raise --headroom.\n`,
  ];
}

function share(value: number): string {
  return `${(value * 100).toFixed(value < 0.001 && value > 0 ? 5 : 2)} %`;
}
