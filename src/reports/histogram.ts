import { axisOver, shareAxis } from './axis.ts';
import { framed } from './frame.ts';
import { escapeText, tag, tooltip } from './markup.ts';

const NUM_BINS = 20;

/** A value to be seen among the bars, such as a threshold. */
export interface Mark {
  readonly name: string;
  readonly value: number;
}

/** How many questions have which p(think). */
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
