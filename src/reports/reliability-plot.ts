import { shareAxis } from './axis.ts';
import { framed } from './frame.ts';
import { tag, tooltip } from './markup.ts';

/** Questions of like probability. */
export interface ReliabilityPoint {
  readonly meanP: number;
  readonly share: number;
  readonly numQuestions: number;
}

const LARGEST_RADIUS = 22;

/** How often thinking paid (up) where the model had which p(think) (to the right); larger dots are more questions. */
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
