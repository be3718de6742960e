import type { EngineStatus } from '../engines/engine-client.ts';
import { addEngineMetrics, addGatewayMetrics } from './engine-metrics.ts';
import { LatencyMetrics } from './latency-metrics.ts';
import { type MetricDefinition, MetricRegistry } from './metric-registry.ts';
import { RequestMetrics } from './request-metrics.ts';
import { SavingsMetrics } from './savings-metrics.ts';
import { ThinkingMetrics } from './thinking-metrics.ts';

export interface MetricsOptions {
  readonly version: string;
  readonly model: string;
  readonly precision: string;
  /** Share of the hold-out; absent or null without one. */
  readonly holdoutShare?: number | null;
}

/** All metrics of one server: base units, labels of small fixed sets, nothing that names a caller. */
export class Metrics {
  readonly #registry = new MetricRegistry();
  readonly requests = new RequestMetrics(this.#registry);
  readonly latency = new LatencyMetrics(this.#registry);
  readonly thinking = new ThinkingMetrics(this.#registry);

  /** null without a hold-out. */
  readonly savings: SavingsMetrics | null;

  /** @param engines the state of every engine process, read at every scrape */
  constructor(
    engines: () => readonly EngineStatus[],
    { holdoutShare = null, ...build }: MetricsOptions,
  ) {
    this.savings = holdoutShare === null ? null : new SavingsMetrics(this.#registry, holdoutShare);
    addEngineMetrics(this.#registry, engines);
    addGatewayMetrics(this.#registry, { model: build.model, read: engines });
    const info = this.#registry.gauge({
      name: 'thinkgate_build_info',
      help: 'What is running; always 1.',
      labels: ['version', 'model', 'precision'],
    });
    info.set({ ...build }, 1);
    this.#registry.readGauge(
      {
        name: 'thinkgate_server_resident_memory_bytes',
        help: 'Memory of the server process.',
        labels: [],
      },
      () => [{ labels: {}, value: process.memoryUsage.rss() }],
    );
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Every metric there is, for documentation. */
  get definitions(): readonly MetricDefinition[] {
    return this.#registry.definitions;
  }

  /** @returns the exposition text, what is read at the scrape read now */
  expose(): Promise<string> {
    return this.#registry.expose();
  }
}
