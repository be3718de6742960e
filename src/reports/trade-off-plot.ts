import type { Estimate } from '../package/profile.ts';
import { axisOver, framed, type Scales } from './chart.ts';
import { escapeText, tag, tooltip } from './markup.ts';

/** A named point with its confidence intervals. */
export interface MarkedPoint {
  readonly name: string;
  /** CSS class that sets the colour. */
  readonly style: string;
  readonly x: Estimate;
  readonly y: Estimate;
}

/** A line through the given points. */
export interface Trace {
  readonly style: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface TradeOff {
  readonly title: string;
  readonly points: readonly MarkedPoint[];
  readonly traces?: readonly Trace[];
}

/** Plots accuracy (vertical) against mean generated tokens (horizontal). */
export function tradeOffPlot({ title, points, traces = [] }: TradeOff): string {
  const places = traces.flatMap((trace) => trace.points);
  const xs = [...points.flatMap(({ x }) => [x.low, x.high]), ...places.map(([x]) => x)];
  const ys = [...points.flatMap(({ y }) => [y.low, y.high]), ...places.map(([, y]) => y)];
  const percent = (value: number): string => `${Number((100 * value).toFixed(1))} %`;
  return framed({
    title,
    x: axisOver(xs, { label: 'mean generated tokens', least: 0 }),
    y: axisOver(ys, { label: 'right answers', least: 0, most: 1, format: percent }),
    draw: (scales) =>
      traces.map((trace) => drawTrace(trace, scales)).join('') +
      points.map((point) => drawPoint(point, scales)).join('') +
      drawNames(points, scales),
  });
}

function drawTrace({ style, points }: Trace, { x, y }: Scales): string {
  const path = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(' ');
  return tag('polyline', { class: `trace ${style}`, points: path });
}

function drawPoint({ name, style, x, y }: MarkedPoint, scales: Scales): string {
  const [cx, cy] = [scales.x(x.value), scales.y(y.value)];
  const whisker = (x1: number, x2: number, y1: number, y2: number): string =>
    tag('line', { class: `whisker ${style}`, x1, x2, y1, y2 });
  const share = (value: number): string => `${(100 * value).toFixed(1)} %`;
  const words = `${name}: ${share(y.value)} right (${share(y.low)} to ${share(y.high)}) at ${x.value.toFixed(1)} tokens`;
  return (
    whisker(scales.x(x.low), scales.x(x.high), cy, cy) +
    whisker(cx, cx, scales.y(y.low), scales.y(y.high)) +
    tag('circle', { class: `dot ${style}`, cx, cy, r: 6 }, tooltip(words))
  );
}

const LINE_HEIGHT = 15;
const LETTER_WIDTH = 7.2;

interface Box {
  readonly left: number;
  readonly right: number;
  readonly y: number;
}

/** Draws names beside their points and moves them down where they would overlap. */
function drawNames(points: readonly MarkedPoint[], scales: Scales): string {
  const placed: Box[] = [];
  const middle = (scales.left + scales.right) / 2;
  return [...points]
    .sort((a, b) => b.y.value - a.y.value)
    .map(({ name, style, x, y }) => {
      const at = scales.x(x.value);
      const isLeft = at > middle;
      const width = name.length * LETTER_WIDTH;
      const edge = isLeft ? at - 9 - width : at + 9;
      let box: Box = { left: edge, right: edge + width, y: scales.y(y.value) - 9 };
      while (placed.some((other) => overlap(other, box))) box = { ...box, y: box.y + LINE_HEIGHT };
      placed.push(box);
      const place = { x: isLeft ? box.right : box.left, y: box.y };
      const anchor = { 'text-anchor': isLeft ? 'end' : 'start' };
      return tag('text', { class: `name ${style}`, ...place, ...anchor }, escapeText(name));
    })
    .join('');
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && Math.abs(a.y - b.y) < LINE_HEIGHT;
}
