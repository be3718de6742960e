import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settingsOfEngines } from '../../../../src/server/engines/settings-of-engines.ts';

const SETTINGS = {
  device: { preference: 'cuda' as const, id: 0, memoryLimit: 2 ** 30 },
  numThreads: 1,
  numSlots: 4,
};

function threadsOf(numThreads: number, numEngines: number): number[] {
  const all = settingsOfEngines({ ...SETTINGS, numThreads }, numEngines, [0]);
  return all.map((settings) => settings.numThreads);
}

describe('Several engines', () => {
  it('get every thread between them, none more than one thread more than another', () => {
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

  it('have a thread each where there are fewer threads than engines', () => {
    assert.deepEqual(threadsOf(2, 3), [1, 1, 1]);
  });

  it('take the devices in turns, and are alike in all else', () => {
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
