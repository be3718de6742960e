import { type GroupSummary, GroupTally } from './group-summary.ts';
import type { ReportRecord } from './read-ledger.ts';

export const GROUPINGS = ['model', 'key', 'hour', 'day', 'source'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface LedgerSummary {
  /** Everything read. */
  readonly total: GroupSummary;
  /** By name; for times that is by age. */
  readonly groups: readonly GroupSummary[];
  /** By hour, for plots, whatever the grouping. */
  readonly hours: readonly GroupSummary[];
}

/** Adds records up, in total and in the groups asked for. */
export async function summarise(
  records: AsyncIterable<ReportRecord>,
  by: Grouping,
): Promise<LedgerSummary> {
  const total = new GroupTally('total');
  const groups = new Tallies();
  const hours = new Tallies();
  for await (const record of records) {
    total.add(record);
    groups.of(groupOf(record, by)).add(record);
    hours.of(groupOf(record, 'hour')).add(record);
  }
  return { total: total.summary, groups: groups.summaries(), hours: hours.summaries() };
}

class Tallies {
  readonly #byName = new Map<string, GroupTally>();

  of(name: string): GroupTally {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const made = new GroupTally(name);
    this.#byName.set(name, made);
    return made;
  }

  summaries(): GroupSummary[] {
    const byName = [...this.#byName].sort(([a], [b]) => (a < b ? -1 : 1));
    return byName.map(([, tally]) => tally.summary);
  }
}

function groupOf(record: ReportRecord, by: Grouping): string {
  switch (by) {
    case 'model':
      return record.model ?? '(none)';
    case 'key':
      return record.key_id ?? '(no key)';
    case 'source':
      return record.source ?? '(undecided)';
    case 'hour':
      return `${record.time.slice(0, 13)}:00Z`;
    case 'day':
      return record.time.slice(0, 10);
  }
}
