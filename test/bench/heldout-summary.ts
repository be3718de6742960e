/** One held-out question, asked in one mode. */
export interface ScoredReply {
  readonly set: string;
  readonly id: string;
  readonly task: string;
  readonly kind: string;
  readonly mode: 'fast' | 'think' | 'auto';
  readonly said: string;
  readonly right: boolean;
  readonly tokens: number;
  readonly thought: boolean;
  /** P(think) at the decision, null in forced modes. */
  readonly pThink: number | null;
}

/** Accuracy in percent and mean generated tokens. */
interface ModeSummary {
  readonly right: number;
  readonly tokens: number;
}

interface Distribution {
  readonly mean: number;
  readonly lowest: number;
  readonly highest: number;
  /** Questions per tenth of p(think), 0-0.1 first. */
  readonly tenths: readonly number[];
}

/** What was measured over a task, a kind or a whole set. */
export interface GroupSummary {
  readonly set: string;
  readonly group: string;
  /** The kind all its questions are of, null where they differ. */
  readonly kind: string | null;
  readonly questions: number;
  readonly fast: ModeSummary;
  readonly think: ModeSummary;
  readonly auto: ModeSummary;
  /** Auto's tokens in percent of think's. */
  readonly autoTokensOfThink: number;
  /** Percent of the questions auto thinks on. */
  readonly autoThinks: number;
  readonly pThink: Distribution;
}

/** Differences between two packages' replies to the same questions. */
interface Changes {
  readonly decisions: number;
  readonly decisionsOf: number;
  readonly answers: number;
  readonly answersOf: number;
  readonly largestShiftOfP: number;
  readonly meanShiftOfP: number;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function percent(flags: readonly boolean[]): number {
  return rounded(100 * mean(flags.map(Number)), 1);
}

function modeSummary(replies: readonly ScoredReply[]): ModeSummary {
  return {
    right: percent(replies.map(({ right }) => right)),
    tokens: rounded(mean(replies.map(({ tokens }) => tokens)), 2),
  };
}

function distribution(values: readonly number[]): Distribution {
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const value of values) {
    const bin = Math.min(9, Math.floor(10 * value));
    tenths[bin] = (tenths[bin] ?? 0) + 1;
  }
  return {
    mean: rounded(mean(values), 4),
    lowest: rounded(Math.min(...values), 4),
    highest: rounded(Math.max(...values), 4),
    tenths,
  };
}

function groupSummary(set: string, group: string, replies: readonly ScoredReply[]): GroupSummary {
  const of = (mode: string): ScoredReply[] => replies.filter((reply) => reply.mode === mode);
  const [think, auto] = [of('think'), of('auto')];
  const [thinkSummary, autoSummary] = [modeSummary(think), modeSummary(auto)];
  const kinds = new Set(replies.map(({ kind }) => kind));
  return {
    set,
    group,
    kind: kinds.size === 1 ? (auto[0]?.kind ?? null) : null,
    questions: auto.length,
    fast: modeSummary(of('fast')),
    think: thinkSummary,
    auto: autoSummary,
    autoTokensOfThink: rounded((100 * autoSummary.tokens) / thinkSummary.tokens, 1),
    autoThinks: percent(auto.map(({ thought }) => thought)),
    pThink: distribution(auto.flatMap(({ pThink }) => pThink ?? [])),
  };
}

/** Summaries per set: over all of it, per kind, per task. */
export function summarise(replies: readonly ScoredReply[]): GroupSummary[] {
  const values = (of: (reply: ScoredReply) => string, within: readonly ScoredReply[]): string[] =>
    [...new Set(within.map(of))].sort();
  return values(({ set }) => set, replies).flatMap((set) => {
    const inSet = replies.filter((reply) => reply.set === set);
    const kinds = values(({ kind }) => kind, inSet);
    const tasks = values(({ task }) => task, inSet);
    return [
      groupSummary(set, 'all', inSet),
      ...kinds.map((kind) =>
        groupSummary(
          set,
          `kind ${kind}`,
          inSet.filter((reply) => reply.kind === kind),
        ),
      ),
      ...tasks.map((task) =>
        groupSummary(
          set,
          task,
          inSet.filter((reply) => reply.task === task),
        ),
      ),
    ];
  });
}

/** Counts replies that differ from another package's: decisions in auto mode, answers in all modes. */
export function changesAgainst(
  first: readonly ScoredReply[],
  replies: readonly ScoredReply[],
): Changes {
  const key = ({ set, id, mode }: ScoredReply): string => `${set} ${id} ${mode}`;
  const before = new Map(first.map((reply) => [key(reply), reply]));
  const pairs = replies.flatMap((reply) => {
    const other = before.get(key(reply));
    return other ? [[other, reply] as const] : [];
  });
  const auto = pairs.filter(([, { mode }]) => mode === 'auto');
  const shifts = auto.map(([a, b]) => Math.abs(Number(a.pThink) - Number(b.pThink)));
  return {
    decisions: auto.filter(([a, b]) => a.thought !== b.thought).length,
    decisionsOf: auto.length,
    answers: pairs.filter(([a, b]) => a.said !== b.said).length,
    answersOf: pairs.length,
    largestShiftOfP: rounded(Math.max(...shifts), 4),
    meanShiftOfP: rounded(mean(shifts), 4),
  };
}
