import { quantile } from '../../reports/statistics.ts';
import { type Savings, SavingsEstimator } from '../../server/telemetry/savings.ts';
import type { ReportRecord } from './read-ledger.ts';

/** Totals of one group of requests. */
export interface GroupSummary {
  readonly name: string;
  readonly numRequests: number;
  /** Rejected or failed; disconnected clients do not count. */
  readonly numErrors: number;
  /** The model's own decisions, and those of them to think. */
  readonly numModelDecisions: number;
  readonly numModelThinks: number;
  /** All decisions to think, from any source. */
  readonly numThinks: number;
  readonly numDecisions: number;
  /** Generations whose thinking a budget ended. */
  readonly numBudgetEnds: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly thinkingTokens: number;
  readonly answerTokens: number;
  /** Milliseconds from arrival to the first answer token; NaN without one. */
  readonly firstAnswerP50: number;
  readonly firstAnswerP95: number;
  /** null without a hold-out, or while an arm has too few requests. */
  readonly savings: Savings | null;
  /** Probabilities of thinking before any bias, where measured. */
  readonly probabilities: readonly number[];
}

const CLIENT_LEFT = 499;

/** Accumulates the records of one group. */
export class GroupTally {
  readonly #name: string;
  readonly #holdout = new SavingsEstimator();
  readonly #firstAnswers: number[] = [];
  readonly #probabilities: number[] = [];
  readonly #sums = {
    numRequests: 0,
    numErrors: 0,
    numModelDecisions: 0,
    numModelThinks: 0,
    numThinks: 0,
    numDecisions: 0,
    numBudgetEnds: 0,
    promptTokens: 0,
    cachedTokens: 0,
    thinkingTokens: 0,
    answerTokens: 0,
  };

  constructor(name: string) {
    this.#name = name;
  }

  add(record: ReportRecord): void {
    const { tokens, ms, status, holdout_arm: arm, generations } = record;
    const sums = this.#sums;
    sums.numRequests++;
    if (status >= 400 && status !== CLIENT_LEFT) sums.numErrors++;
    sums.promptTokens += tokens.prompt;
    sums.cachedTokens += tokens.cached;
    sums.thinkingTokens += tokens.reasoning + tokens.preamble;
    sums.answerTokens += tokens.answer;
    if (ms.first_answer !== null) this.#firstAnswers.push(ms.first_answer);
    for (const made of generations.length > 0 ? generations : [record]) this.#decide(made);
    // The same rule as the server's own estimate: every request counts in its arm, unless the server failed.
    if (arm !== null && (status === 200 || status === CLIENT_LEFT)) {
      const spent = tokens.preamble + tokens.reasoning + tokens.answer;
      this.#holdout.add({ arm, tokens: spent, seconds: ms.total / 1000 });
    }
  }

  #decide(made: ReportRecord['generations'][number]): void {
    const sums = this.#sums;
    if (made.p_think !== null) this.#probabilities.push(made.p_think);
    if (made.ended_by === 'budget') sums.numBudgetEnds++;
    if (made.decision === null) return;
    const thinks = made.decision === 'think' ? 1 : 0;
    sums.numDecisions++;
    sums.numThinks += thinks;
    if (made.source !== 'model') return;
    sums.numModelDecisions++;
    sums.numModelThinks += thinks;
  }

  get summary(): GroupSummary {
    const times = this.#firstAnswers.sort((a, b) => a - b);
    return {
      name: this.#name,
      ...this.#sums,
      firstAnswerP50: quantile(times, 0.5),
      firstAnswerP95: quantile(times, 0.95),
      savings: this.#holdout.savings,
      probabilities: this.#probabilities,
    };
  }
}

export const GROUPINGS = ['model', 'key', 'hour', 'day', 'source'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface LedgerSummary {
  /** All records. */
  readonly total: GroupSummary;
  /** Sorted by name, which sorts times by age. */
  readonly groups: readonly GroupSummary[];
  /** By hour, for plots, with any grouping. */
  readonly hours: readonly GroupSummary[];
}

/** Summarises records in total, by group and by hour. */
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
