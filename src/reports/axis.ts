/** One direction of a plot. */
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
  /** Bounds that the axis must not pass, such as 0 and 1 of a share. */
  readonly least?: number;
  readonly most?: number;
}

const NUM_TICKS = 5;

/** An axis with round ticks that holds every value. */
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

/** From 0 to 1, in percent. */
export function shareAxis(label: string): Axis {
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1];
  return { low: 0, high: 1, ticks, label, format: (value) => `${Math.round(value * 100)} %` };
}

/** 1, 2 or 5 times a power of ten, at least as large as asked. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= least) ?? 10;
  return factor * power;
}
