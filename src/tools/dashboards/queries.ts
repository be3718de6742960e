import type { Query } from './panel.ts';

/** The instances chosen at the top of the dashboard. */
const CHOSEN = 'job=~"$job", instance=~"$instance"';
/** Recorded series are those of a job as a whole. */
const CHOSEN_JOB = 'job=~"$job"';

/** A metric of the chosen instances, as it is; the name without its prefix. */
export function value(metric: string, labels = ''): string {
  return `thinkgate_${metric}{${CHOSEN}${labels && `, ${labels}`}}`;
}

/** A recorded series. */
export function recorded(name: string): string {
  return `${name}{${CHOSEN_JOB}}`;
}

/** A counter per second, summed over everything but some labels. */
export function rate(metric: string, by = ''): string {
  return `sum${by && ` by (${by})`} (rate(${value(metric)}[$__rate_interval]))`;
}

/** One rate over another. */
export function ratio(part: string, whole: string, by = ''): string {
  return `${rate(part, by)} / ${rate(whole, by)}`;
}

/** Mean of what a histogram was shown. */
export function mean(histogram: string, by = ''): string {
  return ratio(`${histogram}_sum`, `${histogram}_count`, by);
}

/** Median and 95th percentile of a histogram. */
export function quantiles(histogram: string, by = ''): Query[] {
  return [0.5, 0.95].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, ${rate(`${histogram}_bucket`, by === '' ? 'le' : `${by}, le`)})`,
    legend: `${by === '' ? '' : `{{${by}}} `}p${quantile * 100}`,
  }));
}

/** How often each bucket of a histogram was hit. */
export function buckets(histogram: string): Query[] {
  const expr = `sum by (le) (increase(${value(`${histogram}_bucket`)}[$__rate_interval]))`;
  return [{ expr, legend: '{{le}}' }];
}
