import type { Axis } from './axis.ts';
import { escapeText, tag } from './markup.ts';

const WIDTH = 640;
const HEIGHT = 360;
const MARGIN = { left: 64, right: 20, top: 16, bottom: 48 };

/** Turns values into places of the drawing. */
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
  /** What the image shows, for those who cannot see it. */
  readonly title: string;
  /** The drawing between the axes; markup. */
  readonly draw: (scales: Scales) => string;
}

/** A plot with grid, ticks and labels. */
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
