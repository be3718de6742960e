/** One curve, or one family of curves. */
export interface Query {
  readonly expr: string;
  /** Name of the curve; {{label}} stands for a label that tells the curves of a family apart. */
  readonly legend: string;
}

/** What a panel shows. Its look follows from its kind. */
export interface Panel {
  readonly title: string;
  /** Description: one or more full sentences. */
  readonly about: string;
  /** Default: graph. */
  readonly kind?: 'graph' | 'stacked' | 'band' | 'stat' | 'heatmap';
  /** Grafana's name of the unit. */
  readonly unit: Unit;
  /** Of 24 columns; default 8. */
  readonly width?: number;
  readonly queries: readonly Query[];
}

export type Unit = 'short' | 'percentunit' | 's' | 'reqps' | 'cps' | 'bytes';

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly about: string;
  readonly rows: readonly Row[];
}

/** Selects the instances chosen at the top of the dashboard. */
const CHOSEN = 'job=~"$job", instance=~"$instance"';
/** Recorded series describe a job as a whole, so they have no instance. */
const CHOSEN_JOB = 'job=~"$job"';

/**
 * A metric of the chosen instances.
 * @param metric name without the prefix
 */
export function value(metric: string): string {
  return `thinkgate_${metric}{${CHOSEN}}`;
}

/** A recorded series of the chosen jobs. */
export function recorded(name: string): string {
  return `${name}{${CHOSEN_JOB}}`;
}

/** Rate of a counter per second, summed over all labels but those of `by`. */
export function rate(metric: string, by = ''): string {
  return `sum${by && ` by (${by})`} (rate(${value(metric)}[$__rate_interval]))`;
}

/** The rate of one counter divided by the rate of another. */
export function ratio(part: string, whole: string, by = ''): string {
  return `${rate(part, by)} / ${rate(whole, by)}`;
}

/** Mean of a histogram's observations. */
export function mean(histogram: string, by = ''): string {
  return ratio(`${histogram}_sum`, `${histogram}_count`, by);
}

/** Median and 95th percentile of a histogram's observations. */
export function quantiles(histogram: string, by = ''): Query[] {
  return [0.5, 0.95].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, ${rate(`${histogram}_bucket`, by === '' ? 'le' : `${by}, le`)})`,
    legend: `${by === '' ? '' : `{{${by}}} `}p${quantile * 100}`,
  }));
}

/** Observations of a histogram per bucket, for a heatmap. */
export function buckets(histogram: string): Query[] {
  const expr = `sum by (le) (increase(${value(`${histogram}_bucket`)}[$__rate_interval]))`;
  return [{ expr, legend: '{{le}}' }];
}
