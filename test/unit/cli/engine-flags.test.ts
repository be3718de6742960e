import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertThreads, maxThinkersOf } from '../../../src/cli/engine-flags.ts';

describe('The engines of `thinkgate serve`', () => {
  it('need a thread each', () => {
    assert.doesNotThrow(() => assertThreads({ engines: 2, threads: 2 }));
    assert.throws(() => assertThreads({ engines: 3, threads: 2 }), {
      message: '--engines 3 is more than the 2 threads: each engine needs one (--threads).',
    });
  });

  it('keep one slot in four for direct answers, unless told otherwise', () => {
    assert.equal(maxThinkersOf({ slots: 8 }), 6);
    assert.equal(maxThinkersOf({ slots: 8, maxThinkers: 2 }), 2);
    assert.throws(() => maxThinkersOf({ slots: 2, maxThinkers: 3 }), /3 is more than the 2 slots/);
  });
});
