import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import { type EngineCount, engineCountOf, maxThinkersOf } from '../../../src/cli/engine-flags.ts';
import { addServeOptions, parseServeOptions } from '../../../src/cli/serve-options.ts';

function count(...words: string[]): EngineCount {
  const command = addServeOptions(new Command()).exitOverride();
  const all = ['--threads', '2', ...words];
  return engineCountOf(parseServeOptions(command.parse(all, { from: 'user' }).opts()));
}

describe('The engines of `thinkgate serve`', () => {
  it('are one, or as many as asked for', () => {
    assert.deepEqual(count(), { numEngines: 1, deviceIds: [0] });
    assert.deepEqual(count('--engines', '2'), { numEngines: 2, deviceIds: [0] });
    assert.throws(() => count('--engines', '0'), /--engines 0/);
  });

  it('are one for each device that is named, or more', () => {
    const cuda = ['--device', 'cuda', '--device-id', '0, 1,3'];
    assert.deepEqual(count(...cuda), { numEngines: 3, deviceIds: [0, 1, 3] });
    assert.deepEqual(count(...cuda, '--engines', '6'), { numEngines: 6, deviceIds: [0, 1, 3] });
    assert.throws(() => count(...cuda, '--engines', '2'), {
      message: '--engines 2 is fewer than the 3 devices of --device-id 0,1,3.',
    });
    for (const ids of ['0,', '0,x', '-1', '', '1,1', '12345']) {
      assert.throws(() => count('--device', 'cuda', '--device-id', ids), /--device-id/, ids);
    }
  });

  it('need a thread each, but where a GPU computes', () => {
    assert.equal(count('--engines', '3', '--device', 'cuda').numEngines, 3);
    for (const device of ['cpu', 'auto']) {
      assert.throws(() => count('--engines', '3', '--device', device), {
        message: '--engines 3 is more than the 2 threads: each engine needs one (--threads).',
      });
    }
  });

  it('keep one slot in four for direct answers, unless told otherwise', () => {
    assert.equal(maxThinkersOf({ slots: 8 }), 6);
    assert.equal(maxThinkersOf({ slots: 8, maxThinkingSeqs: 2 }), 2);
    assert.throws(
      () => maxThinkersOf({ slots: 2, maxThinkingSeqs: 3 }),
      /3 is more than the 2 slots/,
    );
  });
});
