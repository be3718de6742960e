import { escapeText, tag } from './markup.ts';

/** One axis of a chart: its range, its ticks and its label. */
export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
  readonly label: string;
  readonly format: (value: number) => string;
}

export interface AxisOptions {
  readonly label: string;
  readonly format?: (value: number) => string;
  /** Bounds of the axis, such as 0 and 1 for a share. */
  readonly least?: number;
  readonly most?: number;
}

const NUM_TICKS = 5;

/** An axis with round ticks that covers every finite value. */
export function axisOver(values: readonly number[], options: AxisOptions): Axis {
  const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = options;
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const span = high > low ? high - low : Math.abs(high) || 1;
  const step = roundStep(span / NUM_TICKS);
  const first = Math.max(least, Math.floor((low - span * 0.04) / step) * step);
  const last = Math.min(most, Math.ceil((high + span * 0.04) / step) * step);
  const count = Math.round((last - first) / step);
  const ticks = Array.from({ length: count + 1 }, (_, i) => first + i * step);
  const { label, format = (value: number) => String(Number(value.toPrecision(6))) } = options;
  return { low: first, high: last, ticks: ticks.filter((tick) => tick <= last), label, format };
}

/** An axis from 0 to 1, labelled in percent. */
export function shareAxis(label: string): Axis {
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1];
  return { low: 0, high: 1, ticks, label, format: (value) => `${Math.round(value * 100)} %` };
}

/** The smallest of 1, 2 or 5 times a power of ten that is not below `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= least) ?? 10;
  return factor * power;
}

const WIDTH = 640;
const HEIGHT = 360;
const MARGIN = { left: 64, right: 20, top: 16, bottom: 48 };

/** Maps values to SVG coordinates; the numbers are the edges of the plot area. */
export interface Scales {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly bottom: number;
  readonly top: number;
  readonly left: number;
  readonly right: number;
}

export interface FrameOptions {
  readonly x: Axis;
  readonly y: Axis;
  /** Text alternative for screen readers. */
  readonly title: string;
  /** Returns the markup between the axes. */
  readonly draw: (scales: Scales) => string;
}

/** An SVG chart with grid, ticks and axis labels. */
export function framed({ x, y, title, draw }: FrameOptions): string {
  const scales: Scales = {
    left: MARGIN.left,
    right: WIDTH - MARGIN.right,
    top: MARGIN.top,
    bottom: HEIGHT - MARGIN.bottom,
    x: scale(x, MARGIN.left, WIDTH - MARGIN.right),
    y: scale(y, HEIGHT - MARGIN.bottom, MARGIN.top),
  };
  return tag(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': title },
    ...y.ticks.map((tick) => horizontal(scales, tick, y.format(tick))),
    ...x.ticks.map((tick) => vertical(scales, tick, x.format(tick))),
    label((scales.left + scales.right) / 2, HEIGHT - 10, x.label),
    label(14, (scales.top + scales.bottom) / 2, y.label, -90),
    draw(scales),
  );
}

function scale({ low, high }: Axis, from: number, to: number): (value: number) => number {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

function horizontal({ left, right, y }: Scales, tick: number, text: string): string {
  const at = y(tick);
  return (
    tag('line', { class: 'grid', x1: left, x2: right, y1: at, y2: at }) +
    tag('text', { class: 'tick', x: left - 8, y: at + 4, 'text-anchor': 'end' }, escapeText(text))
  );
}

function vertical({ top, bottom, x }: Scales, tick: number, text: string): string {
  const at = x(tick);
  return (
    tag('line', { class: 'grid', x1: at, x2: at, y1: top, y2: bottom }) +
    tag('text', { class: 'tick', x: at, y: bottom + 18, 'text-anchor': 'middle' }, escapeText(text))
  );
}

function label(x: number, y: number, text: string, turn = 0): string {
  const turned = turn === 0 ? {} : { transform: `rotate(${turn} ${x} ${y})` };
  return tag(
    'text',
    { class: 'label', x, y, 'text-anchor': 'middle', ...turned },
    escapeText(text),
  );
}
