import type { Estimate } from '../package/profile.ts';
import { escapeText, tag, tooltip } from './markup.ts';

/** The share of one series in one category. */
export interface CategoryValue {
  readonly series: string;
  readonly style: string;
  readonly share: Estimate;
}

export interface CategoryRow {
  readonly name: string;
  readonly numQuestions: number;
  readonly values: readonly CategoryValue[];
}

const WIDTH = 640;
const LEFT = 190;
const RIGHT = 620;
const ROW = 13;
const GAP = 9;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** Plots shares by category, 0 to 100 %: one dot with its interval per series. */
export function categoryPlot(title: string, rows: readonly CategoryRow[]): string {
  const x = (share: number): number => LEFT + share * (RIGHT - LEFT);
  let top = 8;
  const drawn = rows.map((row, index) => {
    const start = top;
    top += row.values.length * ROW + GAP;
    const band = { x: 0, y: start - GAP / 2, width: WIDTH, height: top - start };
    return {
      band: index % 2 === 0 ? tag('rect', { class: 'band', ...band }) : '',
      marks: drawRow(row, start, x),
    };
  });
  const bottom = top;
  const grid = TICKS.map(
    (tick) =>
      tag('line', { class: 'grid', x1: x(tick), x2: x(tick), y1: 4, y2: bottom }) +
      tag(
        'text',
        { class: 'tick', x: x(tick), y: bottom + 18, 'text-anchor': 'middle' },
        `${Math.round(tick * 100)} %`,
      ),
  );
  return tag(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${bottom + 28}`, role: 'img', 'aria-label': title },
    ...drawn.map(({ band }) => band),
    ...grid,
    ...drawn.map(({ marks }) => marks),
  );
}

function drawRow(row: CategoryRow, top: number, x: (share: number) => number): string {
  const middle = top + (row.values.length * ROW) / 2 + 4;
  const name = row.name.length > 22 ? `${row.name.slice(0, 21)}…` : row.name;
  return (
    tag(
      'text',
      { class: 'category', x: LEFT - 12, y: middle, 'text-anchor': 'end' },
      `${escapeText(name)} (${row.numQuestions})`,
      tooltip(row.name),
    ) +
    row.values
      .map(({ series, style, share }, index) => {
        const at = top + index * ROW + ROW / 2;
        const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
        const words = `${row.name}, ${series}: ${percent(share.value)} (${percent(share.low)} to ${percent(share.high)})`;
        return (
          tag('line', {
            class: `whisker ${style}`,
            x1: x(share.low),
            x2: x(share.high),
            y1: at,
            y2: at,
          }) +
          tag(
            'circle',
            { class: `dot ${style}`, cx: x(share.value), cy: at, r: 4.5 },
            tooltip(words),
          )
        );
      })
      .join('')
  );
}
