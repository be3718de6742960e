import assert from 'node:assert/strict';
import { it } from 'node:test';
import { divideThreads } from '../../../src/process/divide-threads.ts';

it('gives every thread to one engine, and no engine more than one thread more than another', () => {
  for (let numThreads = 1; numThreads <= 40; numThreads++) {
    for (let numEngines = 1; numEngines <= numThreads; numEngines++) {
      const threads = divideThreads(numThreads, numEngines);
      assert.equal(threads.length, numEngines);
      assert.equal(
        threads.reduce((sum, count) => sum + count),
        numThreads,
      );
      assert.ok(Math.max(...threads) - Math.min(...threads) <= 1);
    }
  }
});

it('leaves no engine without a thread where there are more engines than threads', () => {
  assert.deepEqual(divideThreads(2, 3), [1, 1, 1]);
});
