import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import { checkKvCache, deviceRequestOf } from '../../../src/cli/device-flags.ts';
import { addServeOptions, parseServeOptions } from '../../../src/cli/serve-options.ts';

function kvCacheOf(...args: string[]): string {
  const command = addServeOptions(new Command());
  return parseServeOptions(command.parse(args, { from: 'user' }).opts()).kvCache;
}

describe('--kv-cache', () => {
  it('is fp32 unless it or its variable says int8', (test) => {
    assert.equal(kvCacheOf(), 'fp32');
    assert.equal(kvCacheOf('--kv-cache', 'int8'), 'int8');
    process.env['THINKGATE_KV_CACHE'] = 'int8';
    test.after(() => delete process.env['THINKGATE_KV_CACHE']);
    assert.equal(kvCacheOf(), 'int8');
    assert.equal(kvCacheOf('--kv-cache', 'fp32'), 'fp32');
  });

  it('refuses what there is not, naming what there is', () => {
    assert.throws(() => kvCacheOf('--kv-cache', 'int4'), /--kv-cache int4: .*"fp32"\|"int8"/);
  });

  it('is for the CPU: auto takes it, and a device asked for by name is refused', () => {
    assert.equal(deviceRequestOf({ device: 'auto', kvCache: 'int8' }).preference, 'cpu');
    assert.equal(deviceRequestOf({ device: 'auto', kvCache: 'fp32' }).preference, 'auto');
    for (const device of ['webgpu', 'cuda'] as const) {
      assert.throws(
        () => deviceRequestOf({ device, kvCache: 'int8' }),
        new Error(`--kv-cache int8 is for the CPU, not for --device ${device}.`),
      );
    }
  });

  it('needs a package that was prepared for int8, and says how that is done', () => {
    assert.throws(
      () => checkKvCache('int8', {}, 'packages/r4b'),
      new Error(
        '--kv-cache int8: packages/r4b has no decoder for it; `thinkgate quantize-kv packages/r4b` adds one.',
      ),
    );
    checkKvCache('int8', { int8Kv: { decoder: 'decoder.kv8.onnx' } }, 'packages/r4b');
    checkKvCache('fp32', {}, 'packages/r4b');
  });
});
