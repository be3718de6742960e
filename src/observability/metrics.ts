import type { EngineStatus } from '../engine/generation.ts';
import { addEngineMetrics, addGatewayMetrics } from './engine-metrics.ts';
import { LatencyMetrics } from './latency-metrics.ts';
import { type MetricDefinition, MetricRegistry } from './metric-registry.ts';
import { RequestMetrics } from './request-metrics.ts';
import { ThinkingMetrics } from './thinking-metrics.ts';

export interface BuildInfo {
  readonly version: string;
  readonly model: string;
  readonly precision: string;
}

/** All metrics of one server: base units, labels of small fixed sets, nothing that names a caller. */
export class Metrics {
  readonly #registry = new MetricRegistry();
  readonly requests = new RequestMetrics(this.#registry);
  readonly latency = new LatencyMetrics(this.#registry);
  readonly thinking = new ThinkingMetrics(this.#registry);

  /** @param engines the state of every engine process, read at every scrape */
  constructor(engines: () => readonly EngineStatus[], build: BuildInfo) {
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
