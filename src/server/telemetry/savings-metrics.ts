import type { MetricRegistry, Sample } from './metric-registry.ts';
import { type HoldoutOutcome, type Savings, SavingsEstimator } from './savings.ts';

const ARMS = ['auto', 'think'] as const;
const BOUNDS = ['estimate', 'lower', 'upper'] as const;

/** What the hold-out shows; nothing at all is exported without one, and no estimate before there is enough to tell. */
export class SavingsMetrics {
  readonly #estimator = new SavingsEstimator();

  constructor(registry: MetricRegistry, share: number) {
    const estimator = this.#estimator;
    const shareGauge = registry.gauge({
      name: 'thinkgate_holdout_share',
      help: 'Probability with which a request in auto mode is made to think, for comparison.',
    });
    shareGauge.set(share);
    const perArm = (name: string, help: string, read: (arm: HoldoutOutcome['arm']) => number) =>
      registry.readCounter({ name: `thinkgate_holdout_${name}_total`, help, labels: ['arm'] }, () =>
        ARMS.map((arm) => ({ labels: { arm }, value: read(arm) })),
      );
    perArm('requests', 'Requests of the hold-out, by what they were drawn for.', (arm) =>
      estimator.count(arm),
    );
    perArm('tokens', 'Tokens they generated.', (arm) => estimator.sum(arm, 'tokens'));
    perArm('seconds', 'Time they took, arrival to end.', (arm) => estimator.sum(arm, 'seconds'));
    const saved = (what: keyof Savings, help: string): void =>
      registry.readGauge(
        { name: `thinkgate_saved_${what}_per_request`, help, labels: ['bound'] },
        () => boundsOf(estimator, what),
      );
    saved(
      'tokens',
      'Tokens a request in auto mode spends less than one that always thinks, since the start: estimate and 95 % interval.',
    );
    saved('seconds', 'The same in seconds.');
  }

  add(outcome: HoldoutOutcome): void {
    this.#estimator.add(outcome);
  }
}

function boundsOf({ savings }: SavingsEstimator, what: keyof Savings): Sample<'bound'>[] {
  if (savings === null) return [];
  return BOUNDS.map((bound) => ({ labels: { bound }, value: savings[what][bound] }));
}
