import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '../../../../src/engine/sampling/random.ts';
import { SavingsEstimator } from '../../../../src/server/telemetry/savings.ts';

const ANSWER_TOKENS = 50;

/** The cost of a request in either mode. Hard requests take long thinking, and the model thinks about most of them. */
interface Subject {
  readonly thinks: boolean;
  readonly thinkTokens: number;
}

function subject(random: SeededRandom): Subject {
  const isHard = random.next() < 0.3;
  const mean = isHard ? 900 : 150;
  return {
    thinks: random.next() < (isHard ? 0.9 : 0.05),
    thinkTokens: ANSWER_TOKENS - mean * Math.log(1 - random.next()),
  };
}

/** Always thinking costs 50 + 0.3 · 900 + 0.7 · 150; auto mode saves the thinking of the requests it answers directly. */
const TRUTH = 0.3 * 0.1 * 900 + 0.7 * 0.95 * 150;

interface Trial {
  readonly estimator: SavingsEstimator;
  /** Mean of thinking requests minus mean of direct ones: the naive comparison without a hold-out. */
  readonly naive: number;
}

function trial(random: SeededRandom, count: number, share: number): Trial {
  const estimator = new SavingsEstimator();
  const spent = { think: [0, 0], fast: [0, 0] };
  for (let index = 0; index < count; index++) {
    const { thinks, thinkTokens } = subject(random);
    const isHeldOut = random.next() < share;
    const tokens = isHeldOut || thinks ? thinkTokens : ANSWER_TOKENS;
    estimator.add({ arm: isHeldOut ? 'think' : 'auto', tokens, seconds: tokens / 100 });
    if (isHeldOut) continue;
    const mode = spent[thinks ? 'think' : 'fast'];
    mode[0]! += tokens;
    mode[1]! += 1;
  }
  const mean = ([sum = 0, n = 1]: readonly number[]): number => sum / n;
  return { estimator, naive: mean(spent.think) - mean(spent.fast) };
}

describe('SavingsEstimator', () => {
  it('estimates the saving without bias, with an interval that covers it in 95 % of trials', () => {
    const random = new SeededRandom(11);
    const trials = 600;
    let covered = 0;
    let sum = 0;
    for (let index = 0; index < trials; index++) {
      const { savings } = trial(random, 2_000, 0.1).estimator;
      assert.ok(savings !== null);
      const { estimate, lower, upper } = savings.tokens;
      sum += estimate;
      if (lower <= TRUTH && TRUTH <= upper) covered++;
    }
    // Four standard errors of the mean of the estimates, and of the share of the intervals.
    assert.ok(Math.abs(sum / trials - TRUTH) < 6, `${sum / trials} on average, ${TRUTH} in truth`);
    assert.ok(Math.abs(covered / trials - 0.95) < 0.035, `${covered} of ${trials} intervals`);
  });

  it('differs from a naive comparison of thinking and direct requests', () => {
    const { naive, estimator } = trial(new SeededRandom(3), 50_000, 0.1);
    assert.ok(naive > 3 * TRUTH, `${naive}`);
    assert.ok(Math.abs((estimator.savings?.tokens.estimate ?? 0) - TRUTH) < 40);
  });

  it('estimates seconds in the same way as tokens', () => {
    const { savings } = trial(new SeededRandom(5), 1_000, 0.2).estimator;
    assert.ok(savings !== null);
    assert.ok(Math.abs(savings.seconds.estimate - savings.tokens.estimate / 100) < 1e-9);
    assert.ok(Math.abs(savings.seconds.upper - savings.tokens.upper / 100) < 1e-9);
  });

  it('gives no estimate before each arm has thirty requests', () => {
    const estimator = new SavingsEstimator();
    for (let index = 0; index < 100; index++) {
      estimator.add({ arm: 'auto', tokens: index, seconds: 1 });
      if (index < 29) estimator.add({ arm: 'think', tokens: index, seconds: 1 });
    }
    assert.equal(estimator.savings, null);
    estimator.add({ arm: 'think', tokens: 5, seconds: 1 });
    assert.notEqual(estimator.savings, null);
    assert.deepEqual([estimator.count('auto'), estimator.count('think')], [100, 30]);
    assert.equal(estimator.sum('auto', 'seconds'), 100);
  });
});
