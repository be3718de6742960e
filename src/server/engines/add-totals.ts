import { type EngineTotals, NO_TOTALS } from '../../engine/generation.ts';

/** What two processes have done together. */
export function addTotals(first: EngineTotals, second: EngineTotals): EngineTotals {
  const names = Object.keys(NO_TOTALS) as (keyof EngineTotals)[];
  const sums = names.map((name) => [name, first[name] + second[name]] as const);
  return { ...NO_TOTALS, ...Object.fromEntries(sums) };
}
