import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFAULTS } from '../../../../src/config/config.ts';
import { thinkingPolicy } from '../../../../src/server/settings/thinking-settings.ts';
import { parseFlags } from '../../../helpers/parse-flags.ts';
import { TEST_PROFILE } from '../../../helpers/test-app.ts';

const DEFAULT_POLICY = thinkingPolicy(DEFAULTS.thinking);

function policy(...flags: string[]) {
  return thinkingPolicy(parseFlags(...flags).thinking, { economy: TEST_PROFILE });
}

describe('The thinking policy', () => {
  it('leaves the decision to the model by default', () => {
    assert.deepEqual(policy(), DEFAULT_POLICY);
    assert.deepEqual(DEFAULT_POLICY, {
      mode: null,
      lock: false,
      budget: null,
      bias: 0,
      threshold: null,
      effortBudgets: {
        minimal: 128,
        low: 512,
        medium: 2048,
        high: 8192,
        xhigh: 16_384,
        max: null,
      },
    });
  });

  it('takes every flag', () => {
    const flags = [
      ...['--thinking', 'fast', '--thinking-lock', '--thinking-budget', '300'],
      ...['--thinking-bias', '-2.5', '--thinking-threshold', '0.3'],
      ...['--effort-budgets', 'low=7, high=none'],
    ];
    assert.deepEqual(policy(...flags), {
      mode: 'fast',
      lock: true,
      budget: 300,
      bias: -2.5,
      threshold: 0.3,
      effortBudgets: { ...DEFAULT_POLICY.effortBudgets, low: 7, high: null },
    });
  });

  it("takes the threshold of the package's profile", () => {
    assert.equal(policy('--thinking-profile', 'economy').threshold, TEST_PROFILE.threshold);
  });

  for (const [what, flags, message] of [
    [
      'a profile that the package lacks',
      ['--thinking-profile', 'lavish'],
      /--thinking-profile lavish.*it has: economy\./,
    ],
    [
      'a profile beside a threshold',
      ['--thinking-profile', 'economy', '--thinking-threshold', '0.5'],
      /and --thinking-threshold/,
    ],
    [
      'a profile beside a bias',
      ['--thinking-profile', 'economy', '--thinking-bias', '1'],
      /and --thinking-bias/,
    ],
  ] as const) {
    it(`rejects ${what}`, () => {
      assert.throws(() => policy(...flags), message);
    });
  }
});
