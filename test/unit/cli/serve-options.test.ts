import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import { addServeOptions } from '../../../src/cli/serve-options.ts';
import { DEFAULTS } from '../../../src/config/config.ts';
import { OPTION_LIST } from '../../../src/config/options.ts';
import { parseFlags, setVariable } from '../../helpers/parse-flags.ts';

describe('The flags of `thinkgate serve`', () => {
  it('give the defaults of the table when none is set', () => {
    assert.deepEqual(parseFlags(), { ...DEFAULTS, package: 'models/nano' });
  });

  it('set their options', () => {
    const { http, engine, thinking, images } = parseFlags(
      ...['--port', '0', '--max-num-seqs', '8', '--no-enable-prefix-caching'],
      ...['--feature-cache-mb', '0', '--load-bias', '6', '--answer-floor', '10'],
      ...['--allowed-media-domains', 'A.example.com, *.example.org', '--max-image-mb', '0.5'],
    );
    assert.equal(http.port, 0);
    assert.deepEqual(
      [engine.maxNumSeqs, engine.enablePrefixCaching, engine.featureCacheMb],
      [8, false, 0],
    );
    assert.deepEqual([thinking.loadBias, thinking.answerFloor], [6, 10]);
    assert.deepEqual(images.allowedMediaDomains, ['a.example.com', '*.example.org']);
    assert.equal(images.maxImageMb, 0.5);
  });

  it('take precedence over the environment, which takes precedence over the default', (context) => {
    assert.equal(parseFlags().engine.kvCacheDtype, 'fp32');
    assert.equal(parseFlags('--kv-cache-dtype', 'int8').engine.kvCacheDtype, 'int8');
    setVariable(context, 'THINKGATE_KV_CACHE_DTYPE', 'int8');
    assert.equal(parseFlags().engine.kvCacheDtype, 'int8');
    assert.equal(parseFlags('--kv-cache-dtype', 'fp32').engine.kvCacheDtype, 'fp32');
  });

  it('switch with true and false in the environment', (context) => {
    setVariable(context, 'THINKGATE_ALLOW_ANONYMOUS', 'false');
    setVariable(context, 'THINKGATE_OPEN_METRICS', '1');
    setVariable(context, 'THINKGATE_PREFILL_GRAPH', 'false');
    setVariable(context, 'THINKGATE_PORT', '');
    const { access, engine, http } = parseFlags();
    assert.deepEqual([access.allowAnonymous, access.openMetrics], [false, true]);
    assert.equal(engine.prefillGraph, false);
    assert.equal(http.port, 8000);
    setVariable(context, 'THINKGATE_OPEN_METRICS', 'perhaps');
    assert.throws(() => parseFlags(), /--open-metrics perhaps: .*boolean/);
  });

  it('take origins, not URLs', () => {
    const list = 'https://a.example, http://localhost:3000';
    assert.deepEqual(parseFlags('--allowed-origins', list).http.allowedOrigins, [
      'https://a.example',
      'http://localhost:3000',
    ]);
    assert.throws(
      () => parseFlags('--allowed-origins', '*'),
      /--allowed-origins \*: must be origins/,
    );
    assert.throws(
      () => parseFlags('--allowed-origins', 'https://a.example/app'),
      /must be origins/,
    );
  });

  for (const [flag, value] of [
    ['--port', 'x'],
    ['--port', '65536'],
    ['--max-num-seqs', '1.5'],
    ['--kv-cache-dtype', 'int4'],
    ['--feature-cache-mb', '-1'],
    ['--thinking', 'deep'],
    ['--thinking-budget', '0'],
    ['--thinking-bias', '21'],
    ['--thinking-threshold', '1.5'],
    ['--load-bias', '0'],
    ['--effort-budgets', 'low:7'],
    ['--effort-budgets', 'tiny=7'],
    ['--effort-budgets', 'low=0'],
  ] as const) {
    it(`reject ${flag} ${value}, naming both`, () => {
      assert.throws(
        () => parseFlags(`${flag}=${value}`),
        new RegExp(`${flag} ${value.replace('.', '\\.')}: `),
      );
    });
  }

  it('name what an option takes when its value is rejected', () => {
    assert.throws(
      () => parseFlags('--kv-cache-dtype', 'int4'),
      /--kv-cache-dtype int4: .*"fp32"\|"int8"/,
    );
  });
});

describe('The help of `thinkgate serve`', () => {
  it('lists every option under its heading, in the order of the table', () => {
    const help = addServeOptions(new Command('serve')).helpInformation();
    const at = OPTION_LIST.map(({ flags }) => help.indexOf(`  ${flags} `));
    assert.ok(at.every((position) => position > 0));
    assert.deepEqual(
      at,
      at.toSorted((a, b) => a - b),
    );
    for (const { group } of OPTION_LIST) assert.ok(help.includes(`\n${group}:\n`), group);
  });
});
