import { type Axis, axisOver, framed, shareAxis } from './chart.ts';
import { escapeText, tag, tooltip } from './markup.ts';

const NUM_BINS = 20;

/** A value marked by a vertical line, such as a threshold. */
export interface Mark {
  readonly name: string;
  readonly value: number;
}

/** Histogram of p(think) in 20 bins. */
export function pThinkHistogram(values: readonly number[], marks: readonly Mark[] = []): string {
  const counts = Array.from({ length: NUM_BINS }, () => 0);
  for (const value of values) {
    const bin = Math.min(NUM_BINS - 1, Math.floor(value * NUM_BINS));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return framed({
    title: 'Histogram of p(think)',
    x: shareAxis('p(think), where the model decides'),
    y: axisOver([0, ...counts], { label: 'questions', least: 0 }),
    draw: ({ x, y, top, bottom }) =>
      counts
        .map((count, bin) => {
          const [from, to] = [bin / NUM_BINS, (bin + 1) / NUM_BINS];
          const place = { x: x(from) + 1, width: x(to) - x(from) - 2 };
          const style = from >= 0.5 ? 'think' : 'fast';
          const words = `${count} questions between ${from.toFixed(2)} and ${to.toFixed(2)}`;
          const box = { ...place, y: y(count), height: bottom - y(count) };
          return tag('rect', { class: `bar ${style}`, ...box }, tooltip(words));
        })
        .join('') +
      marks
        .map(({ name, value }, index) => {
          const at = x(value);
          const line = { class: 'rule strong', x1: at, x2: at, y1: top, y2: bottom };
          const anchor = value > 0.5 ? 'end' : 'start';
          const text = { class: 'name', x: at + (value > 0.5 ? -5 : 5), y: top + 12 + 15 * index };
          return (
            tag('line', line) + tag('text', { ...text, 'text-anchor': anchor }, escapeText(name))
          );
        })
        .join(''),
  });
}

/** The questions of one bin of p(think). */
export interface ReliabilityPoint {
  readonly meanP: number;
  readonly share: number;
  readonly numQuestions: number;
}

const LARGEST_RADIUS = 22;

/**
 * Reliability diagram: the share of questions on which thinking pays (vertical) against p(think) (horizontal). The area
 * of a dot grows with its number of questions.
 */
export function reliabilityPlot(points: readonly ReliabilityPoint[]): string {
  const most = Math.max(1, ...points.map(({ numQuestions }) => numQuestions));
  return framed({
    title: 'Share of questions on which thinking pays, by p(think)',
    x: shareAxis('p(think)'),
    y: shareAxis('thinking pays'),
    draw: ({ x, y, left, right, top, bottom }) =>
      tag('line', { class: 'rule', x1: left, y1: bottom, x2: right, y2: top }) +
      points
        .map(({ meanP, share, numQuestions }) => {
          const r = 4 + (LARGEST_RADIUS - 4) * Math.sqrt(numQuestions / most);
          const words = `${numQuestions} questions with p(think) ${meanP.toFixed(3)}: thinking pays on ${(100 * share).toFixed(1)} %`;
          return tag(
            'circle',
            { class: 'bar think', cx: x(meanP), cy: y(share), r },
            tooltip(words),
          );
        })
        .join(''),
  });
}

/** The p(think) of one question by two packages. */
export interface TwoProbabilities {
  readonly name: string;
  readonly first: number;
  readonly second: number;
}

/** Plots p(think) of one package against that of another and highlights the decisions that differ. */
export function probabilityPlot(
  pairs: readonly TwoProbabilities[],
  [first, second]: readonly [string, string],
): string {
  const halves = (axis: Axis): Axis => ({ ...axis, ticks: [0, 0.25, 0.5, 0.75, 1] });
  return framed({
    title: `p(think) of ${second} against ${first}`,
    x: halves(shareAxis(`p(think), ${first}`)),
    y: halves(shareAxis(`p(think), ${second}`)),
    draw: ({ x, y, left, right, top, bottom }) =>
      tag('line', { class: 'rule', x1: left, y1: bottom, x2: right, y2: top }) +
      pairs
        .map((pair) => {
          const isFlipped = pair.first >= 0.5 !== pair.second >= 0.5;
          const words = `${pair.name}: ${pair.first.toFixed(4)} and ${pair.second.toFixed(4)}`;
          return tag(
            'circle',
            {
              class: isFlipped ? 'dot flipped' : 'speck',
              cx: x(pair.first),
              cy: y(pair.second),
              r: isFlipped ? 5 : 3,
            },
            tooltip(words),
          );
        })
        .join(''),
  });
}
