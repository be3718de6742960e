import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import { addServeOptions, parseServeOptions } from '../../../src/cli/serve-options.ts';
import { toThinkingPolicy } from '../../../src/cli/thinking-flags.ts';
import { DEFAULT_THINKING_POLICY } from '../../../src/server/request/thinking-policy.ts';
import { TEST_PROFILE } from '../../helpers/test-app.ts';

function parse(...flags: string[]) {
  const command = addServeOptions(new Command().exitOverride());
  command.parse(flags, { from: 'user' });
  return parseServeOptions(command.opts());
}

describe('the flags of thinking', () => {
  it('leave everything to the model when none is given', () => {
    const options = parse();
    assert.deepEqual(toThinkingPolicy(options), DEFAULT_THINKING_POLICY);
    assert.deepEqual([options.loadBias, options.answerFloor], [undefined, undefined]);
  });

  it('become the policy', () => {
    const options = parse(
      ...['--thinking', 'fast', '--thinking-lock', '--thinking-budget', '300'],
      ...['--thinking-bias', '-2.5', '--thinking-threshold', '0.3', '--load-bias', '6'],
      ...['--answer-floor', '10', '--effort-budgets', 'low=7, high=none'],
    );
    assert.deepEqual(toThinkingPolicy(options), {
      mode: 'fast',
      lock: true,
      budget: 300,
      bias: -2.5,
      threshold: 0.3,
      effortBudgets: { ...DEFAULT_THINKING_POLICY.effortBudgets, low: 7, high: null },
    });
    assert.deepEqual([options.loadBias, options.answerFloor], [6, 10]);
  });

  it("take a profile's threshold for the default, from those of the package", () => {
    const profiles = { economy: TEST_PROFILE };
    const policy = toThinkingPolicy(parse('--thinking-profile', 'economy'), profiles);
    assert.equal(policy.threshold, TEST_PROFILE.threshold);
    for (const [flags, message] of [
      [['--thinking-profile', 'lavish'], /--thinking-profile lavish.*it has: economy\./],
      [
        ['--thinking-profile', 'economy', '--thinking-threshold', '0.5'],
        /and --thinking-threshold/,
      ],
      [['--thinking-profile', 'economy', '--thinking-bias', '1'], /and --thinking-bias/],
    ] as const) {
      assert.throws(() => toThinkingPolicy(parse(...flags), profiles), message);
    }
  });

  for (const [flag, value] of [
    ['--thinking', 'deep'],
    ['--thinking-budget', '0'],
    ['--thinking-bias', '21'],
    ['--thinking-threshold', '1.5'],
    ['--load-bias', '0'],
    ['--effort-budgets', 'low:7'],
    ['--effort-budgets', 'tiny=7'],
    ['--effort-budgets', 'low=0'],
  ] as const) {
    it(`${flag} ${value} is refused by name`, () => {
      assert.throws(
        () => parse(`${flag}=${value}`),
        new RegExp(`${flag} ${value.replace('.', '\\.')}`),
      );
    });
  }
});
