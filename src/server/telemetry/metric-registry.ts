import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricDefinition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** One sample of a metric that is read at the scrape. */
export interface Sample<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly value: number;
}

type Definition<L extends string> = Omit<MetricDefinition, 'type' | 'labels'> & {
  /** Each label takes values of a small fixed set, never a value that a caller can choose. */
  readonly labels?: readonly L[];
};

/** The metrics of one server and their definitions. Two servers in one process have a registry each. */
export class MetricRegistry {
  readonly #registry = new Registry();
  readonly #definitions: MetricDefinition[] = [];

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Every metric, in the order of declaration. */
  get definitions(): readonly MetricDefinition[] {
    return this.#definitions;
  }

  /** @returns the exposition text, with current values */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }

  counter<L extends string = never>(definition: Definition<L>): Counter<L> {
    return new Counter(this.#declare('counter', definition));
  }

  gauge<L extends string = never>(definition: Definition<L>): Gauge<L> {
    return new Gauge(this.#declare('gauge', definition));
  }

  histogram<L extends string = never>(
    definition: Definition<L> & { readonly buckets: readonly number[] },
  ): Histogram<L> {
    const { buckets, ...rest } = definition;
    return new Histogram({ ...this.#declare('histogram', rest), buckets: [...buckets] });
  }

  /** A gauge whose samples are read at every scrape; it shows no value while there are no samples. */
  readGauge<L extends string>(definition: Definition<L>, read: () => readonly Sample<L>[]): void {
    const gauge: Gauge<L> = new Gauge({
      ...this.#declare('gauge', definition),
      collect: () => {
        gauge.reset();
        for (const { labels, value } of read()) gauge.set(labels, value);
      },
    });
    gauge.reset();
  }

  /** A counter whose totals are kept elsewhere and read at every scrape. */
  readCounter<L extends string>(definition: Definition<L>, read: () => readonly Sample<L>[]): void {
    const counter: Counter<L> = new Counter({
      ...this.#declare('counter', definition),
      collect: () => {
        counter.reset();
        for (const { labels, value } of read()) counter.inc(labels, value);
      },
    });
  }

  #declare<L extends string>(type: MetricDefinition['type'], definition: Definition<L>) {
    const { name, help, labels = [] } = definition;
    this.#definitions.push({ name, type, labels, help });
    return { name, help, labelNames: [...labels], registers: [this.#registry] };
  }
}
