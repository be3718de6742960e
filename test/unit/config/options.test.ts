import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFAULTS, resolveConfig } from '../../../src/config/config.ts';
import { OPTION_LIST } from '../../../src/config/options.ts';

describe('The table of options', () => {
  for (const name of ['key', 'flag', 'env'] as const) {
    it(`gives every option a ${name} of its own`, () => {
      const names = OPTION_LIST.map((option) => option[name]);
      assert.equal(new Set(names).size, names.length);
    });
  }

  it('derives the variable from the flag, without its "no"', () => {
    const variables = Object.fromEntries(OPTION_LIST.map(({ flag, env }) => [flag, env]));
    assert.equal(variables['--max-num-seqs'], 'THINKGATE_MAX_NUM_SEQS');
    assert.equal(variables['--no-prefill-graph'], 'THINKGATE_PREFILL_GRAPH');
  });

  it('has defaults that its own schemas accept', () => {
    for (const { flag, schema, default: value } of OPTION_LIST) {
      if (value !== null) assert.deepEqual(schema.parse(value), value, flag);
    }
  });

  it('describes every option in one sentence', () => {
    for (const { flag, help } of OPTION_LIST)
      assert.match(help, /^[A-Z][^.]*(\.\S[^.]*)*\.$/, flag);
  });
});

describe('A config', () => {
  it('takes the default of every option that it leaves out', () => {
    const config = resolveConfig({ package: 'p', http: { port: 0, host: undefined } });
    assert.deepEqual(config, { ...DEFAULTS, http: { ...DEFAULTS.http, port: 0 } });
  });

  it('takes values of their own types and stays the same when it is resolved again', () => {
    const config = resolveConfig({
      package: 'p',
      engine: { deviceId: [0, 1], verify: true },
      thinking: { effortBudgets: { low: 7, max: null } },
      access: { apiKey: ['me:0123456789abcdef'] },
    });
    assert.deepEqual(config.engine.deviceId, [0, 1]);
    assert.deepEqual(config.thinking.effortBudgets, { low: 7, max: null });
    assert.deepEqual(resolveConfig({ package: 'p', ...config }), config);
  });

  it('rejects a value that an option does not take', () => {
    assert.throws(() => resolveConfig({ package: 'p', http: { port: -1 } }), /--port -1: /);
  });

  it('rejects an option that does not exist', () => {
    const misspelt = { package: 'p', http: { prot: 0 } } as object;
    assert.throws(() => resolveConfig(misspelt as { package: string }), {
      message: 'The config has no option http.prot.',
    });
  });
});
