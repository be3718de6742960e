import { fixed, percent, textTable } from '../../../src/reports/text-table.ts';
import type { Ending } from './run-phases.ts';
import type { Sample } from './sample.ts';

/** The column that others are compared with at the largest batch: transformers with its default settings. */
const PEER = /^transformers [^,]*$/;
const LARGEST = 32;

interface Row {
  readonly name: string;
  readonly cell: (column: string) => string | undefined;
}

/** The samples by row and column. The last sample of a cell counts. */
class Figures {
  readonly #values = new Map<string, number>();
  readonly columns: readonly string[];
  /** Highest copy bandwidth of any column, in bytes a second, read and written. */
  readonly copyRate: number;
  readonly copies: readonly Sample[];

  constructor(samples: readonly Sample[]) {
    this.copies = samples.filter(({ what }) => what === 'copy');
    this.copyRate = Math.max(0, ...this.copies.map(({ value }) => value));
    const others = samples.filter(({ what }) => what !== 'copy');
    for (const { what, column, value } of others) this.#values.set(`${column} ${what}`, value);
    this.columns = [...new Set(others.map(({ column }) => column))].toSorted();
  }

  value(column: string, what: string): number | undefined {
    return this.#values.get(`${column} ${what}`);
  }

  /** @returns tokens a second if a step of one sequence only read its bytes; undefined when not measured */
  floor(column: string): number | undefined {
    const weights = this.value(column, 'weights');
    const kv = this.value(column, 'kv');
    if (weights === undefined || kv === undefined || this.copyRate === 0) return undefined;
    return this.copyRate / (weights + kv);
  }

  get peer(): string | undefined {
    return this.columns.find((column) => PEER.test(column));
  }
}

/** Formats the table of results with its aims, and lists what was not measured and why. */
export function formatResults(
  samples: readonly Sample[],
  ends: ReadonlyMap<string, Ending>,
  batches: readonly number[],
): string {
  const figures = new Figures(samples);
  const rows = tableRows(figures, batches)
    .map(({ name, cell }) => [name, ...figures.columns.map((column) => cell(column) ?? '')])
    .filter((cells) => cells.slice(1).some((cell) => cell !== ''));
  const copies = figures.copies.map(
    ({ column, value }) => `${column} ${(value / 1e9).toFixed(1)} GB/s`,
  );
  const missing = missingPhases(ends);
  return [
    `copies (read and written): ${copies.join(', ') || 'not measured'}`,
    '',
    textTable([['', ...figures.columns], ...rows]).trimEnd(),
    ...(missing.length === 0 ? [] : ['', 'Not measured:', ...missing]),
    '',
  ].join('\n');
}

/** Lists phases by reason: one missing driver stops many phases and takes one line. */
function missingPhases(ends: ReadonlyMap<string, Ending>): string[] {
  const byReason = new Map<string, string[]>();
  for (const [id, ending] of ends) {
    if (ending.end === 'done') continue;
    const reason = `${ending.end}, ${ending.reason}`;
    byReason.set(reason, [...(byReason.get(reason) ?? []), id]);
  }
  return [...byReason].map(([reason, ids]) => `${ids.join(' ')}: ${reason}`);
}

function tableRows(figures: Figures, batches: readonly number[]): Row[] {
  const plain = (name: string, what: string, digits = 1): Row => ({
    name,
    cell: (column) => format(figures.value(column, what), (value) => fixed(value, digits)),
  });
  const models = ['small', 'full'];
  return [
    ...batches.map((batch) => plain(`decode, batch ${batch}, tokens/s`, `decode@${batch}`)),
    ...batches.map((batch) =>
      plain(`  with the likeliest chosen, batch ${batch}`, `greedy@${batch}`),
    ),
    ...batches.map((batch) => plain(`  through the engine, batch ${batch}`, `engine@${batch}`)),
    ...['512', '2048', '32', '64', 'all'].map((chunk) =>
      plain(`prompts in chunks of ${chunk}, tokens/s`, `prefill@${chunk}`),
    ),
    plain('images of 5 tiles a second', 'images', 2),
    {
      name: 'MB a step, batch 1',
      cell: (column) =>
        format(sum(figures.value(column, 'weights'), figures.value(column, 'kv')), (bytes) =>
          fixed(bytes / 1e6, 0),
        ),
    },
    {
      name: 'share of the bandwidth floor, batch 1 (aim: 70 %)',
      cell: (column) =>
        format(ratio(figures.value(column, 'decode@1'), figures.floor(column)), percent),
    },
    {
      name: `times transformers, batch ${LARGEST} (aim: 5)`,
      cell: (column) => {
        const { peer } = figures;
        if (peer === undefined || column === peer) return undefined;
        const what = `decode@${LARGEST}`;
        return format(ratio(figures.value(column, what), figures.value(peer, what)), fixed);
      },
    },
    ...models.flatMap((model): Row[] => [
      {
        name: `same tokens as the CPU, ${model} model`,
        cell: (column) => format(figures.value(column, `same tokens, ${model}`), percent),
      },
      {
        name: `  logits off by (of the largest), ${model}`,
        cell: (column) => format(figures.value(column, `logits off, ${model}`), scientific),
      },
      {
        name: `  image features off by, ${model}`,
        cell: (column) => format(figures.value(column, `features off, ${model}`), scientific),
      },
    ]),
    plain('seconds to load', 'load'),
  ];
}

function scientific(value: number): string {
  return value.toExponential(1);
}

function format(
  value: number | undefined,
  formatter: (value: number) => string,
): string | undefined {
  return value === undefined ? undefined : formatter(value);
}

function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}

function ratio(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}
