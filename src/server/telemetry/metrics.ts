import type { EngineStatus } from '../engines/engine-client.ts';
import { addEngineMetrics, addGatewayMetrics } from './engine-metrics.ts';
import { type MetricDefinition, MetricRegistry, type Sample } from './metric-registry.ts';
import { LatencyMetrics, RequestMetrics, ThinkingMetrics } from './request-metrics.ts';
import { type HoldoutOutcome, type Savings, SavingsEstimator } from './savings.ts';

export interface MetricsOptions {
  readonly version: string;
  readonly model: string;
  readonly precision: string;
  /** Share of the hold-out; absent or null without one. */
  readonly holdoutShare?: number | null;
}

/**
 * All metrics of one server. Units are base units (seconds, bytes). Labels take values of small fixed sets and never
 * identify a caller.
 */
export class Metrics {
  readonly #registry = new MetricRegistry();
  readonly requests = new RequestMetrics(this.#registry);
  readonly latency = new LatencyMetrics(this.#registry);
  readonly thinking = new ThinkingMetrics(this.#registry);

  /** null without a hold-out. */
  readonly savings: SavingsMetrics | null;

  /** @param engines returns the state of every engine process; read at every scrape */
  constructor(
    engines: () => readonly EngineStatus[],
    { holdoutShare = null, ...build }: MetricsOptions,
  ) {
    this.savings = holdoutShare === null ? null : new SavingsMetrics(this.#registry, holdoutShare);
    addEngineMetrics(this.#registry, engines);
    addGatewayMetrics(this.#registry, { model: build.model, read: engines });
    const info = this.#registry.gauge({
      name: 'thinkgate_build_info',
      help: 'Version, model and precision of the server; always 1.',
      labels: ['version', 'model', 'precision'],
    });
    info.set({ ...build }, 1);
    this.#registry.readGauge(
      {
        name: 'thinkgate_server_resident_memory_bytes',
        help: 'Resident memory of the server process.',
        labels: [],
      },
      () => [{ labels: {}, value: process.memoryUsage.rss() }],
    );
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Every metric, in the order of declaration. */
  get definitions(): readonly MetricDefinition[] {
    return this.#registry.definitions;
  }

  /** @returns the exposition text, with current values */
  expose(): Promise<string> {
    return this.#registry.expose();
  }
}

const ARMS = ['auto', 'think'] as const;
const BOUNDS = ['estimate', 'lower', 'upper'] as const;

/** Results of the hold-out experiment. The estimates appear once both arms have enough requests. */
class SavingsMetrics {
  readonly #estimator = new SavingsEstimator();

  constructor(registry: MetricRegistry, share: number) {
    const estimator = this.#estimator;
    const shareGauge = registry.gauge({
      name: 'thinkgate_holdout_share',
      help: 'Probability that the hold-out makes an auto request think.',
    });
    shareGauge.set(share);
    const perArm = (name: string, help: string, read: (arm: HoldoutOutcome['arm']) => number) =>
      registry.readCounter({ name: `thinkgate_holdout_${name}_total`, help, labels: ['arm'] }, () =>
        ARMS.map((arm) => ({ labels: { arm }, value: read(arm) })),
      );
    perArm('requests', 'Requests of the hold-out, by arm.', (arm) => estimator.count(arm));
    perArm('tokens', 'Generated tokens of these requests.', (arm) => estimator.sum(arm, 'tokens'));
    perArm('seconds', 'Arrival to end of these requests, summed.', (arm) =>
      estimator.sum(arm, 'seconds'),
    );
    const saved = (what: keyof Savings, help: string): void =>
      registry.readGauge(
        { name: `thinkgate_saved_${what}_per_request`, help, labels: ['bound'] },
        () => boundsOf(estimator, what),
      );
    saved(
      'tokens',
      'Tokens that auto mode saves per request against always thinking, since the start: estimate and 95 % interval.',
    );
    saved(
      'seconds',
      'Seconds that auto mode saves per request against always thinking, since the start: estimate and 95 % interval.',
    );
  }

  add(outcome: HoldoutOutcome): void {
    this.#estimator.add(outcome);
  }
}

function boundsOf({ savings }: SavingsEstimator, what: keyof Savings): Sample<'bound'>[] {
  if (savings === null) return [];
  return BOUNDS.map((bound) => ({ labels: { bound }, value: savings[what][bound] }));
}
