import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import { deviceRequestOf } from '../../../src/cli/device-flags.ts';
import { addServeOptions, parseServeOptions } from '../../../src/cli/serve-options.ts';

function request(...words: string[]) {
  const command = addServeOptions(new Command()).exitOverride();
  return deviceRequestOf(parseServeOptions(command.parse(words, { from: 'user' }).opts()));
}

describe('what computes', () => {
  it('is found out unless it is named', () => {
    assert.deepEqual(request(), { preference: 'auto', id: 0, memoryLimit: null });
    for (const preference of ['cpu', 'webgpu', 'cuda']) {
      assert.deepEqual(request('--device', preference), { preference, id: 0, memoryLimit: null });
    }
    assert.throws(() => request('--device', 'tpu'), /device/);
  });

  it('has a number and a memory limit on CUDA only', () => {
    assert.deepEqual(
      request('--device', 'cuda', '--device-id', '3', '--device-memory-mb', '2048'),
      { preference: 'cuda', id: 3, memoryLimit: 2 ** 31 },
    );
    assert.throws(
      () => request('--device', 'webgpu', '--device-id', '1'),
      /--device-id 1 can be set for --device cuda only, not for --device webgpu/,
    );
    assert.throws(
      () => request('--device-memory-mb', '500', '--device-id', '0'),
      /--device-id 0 and --device-memory-mb 500 can be set for --device cuda only, not for --device auto/,
    );
  });
});
