import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import {
  addServeOptions,
  parseServeOptions,
  type ServeOptions,
} from '../../../src/cli/serve-options.ts';

function parse(...args: string[]): ServeOptions {
  const command = new Command();
  addServeOptions(command);
  command.parse(args, { from: 'user' });
  return parseServeOptions(command.opts());
}

describe('thinkgate serve', () => {
  it('reuses prefixes and keeps 256 MB of image features unless told otherwise', () => {
    const { prefixCache, featureCacheMb } = parse();
    assert.deepEqual({ prefixCache, featureCacheMb }, { prefixCache: true, featureCacheMb: 256 });
  });

  it('reuses no prefixes with --no-prefix-cache, and keeps no features with --feature-cache-mb 0', () => {
    const { prefixCache, featureCacheMb } = parse('--no-prefix-cache', '--feature-cache-mb', '0');
    assert.deepEqual({ prefixCache, featureCacheMb }, { prefixCache: false, featureCacheMb: 0 });
  });

  it('refuses a feature cache of less than nothing, naming the option', () => {
    assert.throws(() => parse('--feature-cache-mb', '-1'), /--feature-cache-mb -1/);
  });
});
