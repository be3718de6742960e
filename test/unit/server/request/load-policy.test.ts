import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoadPolicy } from '../../../../src/server/request/load-policy.ts';
import { Random } from '../../../helpers/random.ts';

const idle = { numWaiting: 0, kvCacheUsage: 0 };
const policy = (): LoadPolicy => new LoadPolicy({ maxBias: 8, numSlots: 4 });

describe('the load as a bias', () => {
  it('is nothing at idle and all of it with two waiting per slot or a full cache', () => {
    assert.equal(policy().bias(idle), 0);
    assert.equal(policy().bias({ numWaiting: 8, kvCacheUsage: 0 }), -8);
    assert.equal(policy().bias({ numWaiting: 0, kvCacheUsage: 1 }), -8);
    assert.equal(policy().bias({ numWaiting: 500, kvCacheUsage: 1 }), -8);
  });

  it('grows in steps with whichever is tighter, and takes no notice of a cache in normal use', () => {
    const steps = [0, 1, 2, 4, 6, 8].map((numWaiting) =>
      policy().bias({ numWaiting, kvCacheUsage: 0 }),
    );
    assert.deepEqual(steps, [0, 0, -2, -4, -6, -8]);
    assert.equal(policy().bias({ numWaiting: 0, kvCacheUsage: 0.7 }), 0);
    assert.equal(policy().bias({ numWaiting: 2, kvCacheUsage: 0.86 }), -4);
  });

  it('keeps a step until the pressure is well below it', () => {
    const leaning = policy();
    const waiting = [4, 3, 4, 3, 2, 2, 1, 0];
    const biases = waiting.map((numWaiting) => leaning.bias({ numWaiting, kvCacheUsage: 0 }));
    // Half of the pressure leads to the second step; 3 of 8 is not far enough below it, 2 of 8 is.
    assert.deepEqual(biases, [-4, -4, -4, -4, -2, -2, -2, 0]);
  });

  it('stays within its bounds and comes back to nothing, whatever came before', () => {
    const random = new Random(3);
    const leaning = policy();
    for (let round = 0; round < 2_000; round += 1) {
      const load = { numWaiting: random.below(30), kvCacheUsage: random.below(101) / 100 };
      const bias = leaning.bias(load);
      assert.ok(bias <= 0 && bias >= -8, String(bias));
    }
    assert.equal(leaning.bias(idle), 0);
  });
});
