import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settingsOfEngines } from '../../../../src/server/engines/start-engines.ts';

const SETTINGS = {
  device: { preference: 'cuda' as const, id: 0, memoryLimit: 2 ** 30 },
  numThreads: 1,
  numSlots: 4,
};

function threadsOf(numThreads: number, numEngines: number): number[] {
  const all = settingsOfEngines({ ...SETTINGS, numThreads }, numEngines, [0]);
  return all.map((settings) => settings.numThreads);
}

describe('The settings of several engines', () => {
  it('divide all threads as evenly as possible', () => {
    for (let numThreads = 1; numThreads <= 40; numThreads++) {
      for (let numEngines = 1; numEngines <= numThreads; numEngines++) {
        const threads = threadsOf(numThreads, numEngines);
        assert.equal(threads.length, numEngines);
        assert.equal(
          threads.reduce((sum, count) => sum + count),
          numThreads,
        );
        assert.ok(Math.max(...threads) - Math.min(...threads) <= 1);
      }
    }
  });

  it('have at least one thread each', () => {
    assert.deepEqual(threadsOf(2, 3), [1, 1, 1]);
  });

  it('take the devices in turn and are otherwise equal', () => {
    const all = settingsOfEngines({ ...SETTINGS, numThreads: 5 }, 5, [2, 0, 1]);
    assert.deepEqual(
      all.map(({ device }) => device.id),
      [2, 0, 1, 2, 0],
    );
    for (const { device, ...rest } of all) {
      assert.deepEqual({ ...rest, device: { ...device, id: 0 } }, SETTINGS);
    }
  });
});
