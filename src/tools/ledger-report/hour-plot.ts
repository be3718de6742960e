import { axisOver, framed, type Scales } from '../../reports/chart.ts';
import { tag, tooltip } from '../../reports/markup.ts';
import type { GroupSummary } from './group-summary.ts';

const HOUR_MS = 3_600_000;

interface Layer {
  readonly style: string;
  readonly name: string;
  readonly tokens: (hour: GroupSummary) => number;
}

/** From the axis upwards. */
export const TOKEN_LAYERS: readonly Layer[] = [
  { style: 'fast', name: 'answer', tokens: (hour) => hour.answerTokens },
  { style: 'think', name: 'thinking', tokens: (hour) => hour.thinkingTokens },
];

/** Generated tokens of every hour, thinking on top of answers; hours without a request are gaps. */
export function hourPlot(hours: readonly GroupSummary[]): string {
  const times = hours.map(({ name }) => Date.parse(name));
  const tops = hours.map((hour) => TOKEN_LAYERS.reduce((sum, { tokens }) => sum + tokens(hour), 0));
  const first = Math.min(...times);
  const last = Math.max(...times) + HOUR_MS;
  const step = Math.max(1, Math.ceil((last - first) / HOUR_MS / 6)) * HOUR_MS;
  const ticks = Array.from(
    { length: Math.floor((last - first) / step) + 1 },
    (_, i) => first + i * step,
  );
  return framed({
    title: 'Generated tokens by hour',
    x: { low: first, high: last, ticks, label: 'hour (UTC)', format: hourLabel },
    y: axisOver([0, ...tops], { label: 'tokens', least: 0 }),
    draw: (scales) => hours.map((hour, index) => bar(hour, times[index] ?? 0, scales)).join(''),
  });
}

function hourLabel(time: number): string {
  return new Date(time).toISOString().slice(5, 16).replace('T', ' ');
}

function bar(hour: GroupSummary, time: number, { x, y }: Scales): string {
  const width = Math.max(1, x(time + HOUR_MS) - x(time) - 1);
  let below = 0;
  return TOKEN_LAYERS.map(({ style, name, tokens }) => {
    const count = tokens(hour);
    const top = y(below + count);
    const height = y(below) - top;
    below += count;
    return tag(
      'rect',
      { class: `bar ${style}`, x: x(time), y: top, width, height },
      tooltip(`${hour.name}: ${count} ${name} tokens of ${hour.numRequests} requests`),
    );
  }).join('');
}
