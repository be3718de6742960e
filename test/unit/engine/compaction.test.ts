import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Compaction } from '../../../src/engine/compaction.ts';
import { bytesOf } from '../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf, writes } from '../../helpers/engine-bench.ts';

const anywhere = () => new Compaction({ fromFirstSlot: false });
const at = (slot: number, numTokens = 0) => ({ slot, numTokens });

describe('Compaction', () => {
  it('does nothing for one sequence or adjacent slots', () => {
    const compaction = anywhere();
    for (let i = 0; i < 100; i++) {
      assert.equal(compaction.plan([], [at(0), at(1)]), null);
      assert.equal(compaction.plan([at(3)], [at(0), at(5)]), null);
      assert.equal(compaction.plan([at(4), at(3)], [at(0), at(5)]), null);
    }
  });

  it('moves the shorter outer sequence into the emptiest free slot once that pays', () => {
    const compaction = anywhere();
    const streams = [at(0, 500), at(7, 400)];
    const free = [at(1, 900), at(2, 0), at(3, 10)];
    const plans = Array.from({ length: 3 }, () => compaction.plan(streams, free));
    // Six idle rows a step against 400 tokens, which are worth a little over three.
    assert.deepEqual(plans[0], { from: 7, to: 2 });
    const long = [at(0, 5_000), at(7, 4_000)];
    const waits = Array.from({ length: 6 }, () => anywhere().plan(long, free));
    assert.deepEqual(waits, new Array(6).fill(null));
    const patient = anywhere();
    const found = Array.from({ length: 6 }, () => patient.plan(long, free));
    assert.deepEqual(found.slice(0, 5), new Array(5).fill(null));
    assert.deepEqual(found[5], { from: 7, to: 2 });
  });

  it('counts the rows before the first sequence where batches begin at slot 0, and moves the last sequence down', () => {
    const compaction = new Compaction({ fromFirstSlot: true });
    const free = [at(0, 300), at(1, 20), at(2, 90)];
    const found = Array.from({ length: 2 }, () => compaction.plan([at(3, 600)], free));
    // Three idle rows a step against 600 tokens, which are worth a little under five.
    assert.deepEqual(found, [null, { from: 3, to: 1 }]);
    assert.deepEqual(compaction.plan([at(1, 100), at(3, 100)], [at(0), at(2)]), { from: 3, to: 0 });
    for (let i = 0; i < 50; i++)
      assert.equal(compaction.plan([at(0), at(1)], [at(2), at(3)]), null);
  });

  it('ignores a slot that is in use or outside the batch', () => {
    const compaction = anywhere();
    for (let i = 0; i < 50; i++) {
      assert.equal(compaction.plan([at(1), at(3)], [at(0), at(4)]), null);
    }
  });
});

describe('Engine: sequences in distant slots', () => {
  it('are compacted without a change in their output, and the slots keep their contents', async () => {
    const bench = new EngineBench({ numSlots: 4, slotCapacity: 512 });
    const job = (key: number, length: number) => ({
      request: requestOf(promptOf(key, 20), {
        thinking: {
          ...requestOf([1]).thinking,
          requested: 'fast',
          source: 'request',
          start: 'answer-start',
        },
      }),
      script: writes(bytesOf(`${key} `.repeat(length))),
    });
    const text = (key: number, length: number): string => `${key} `.repeat(length);
    await Promise.all(
      [job(1, 40), job(2, 4), job(3, 4), job(4, 40)].map((one) => bench.submit(one)),
    );
    assert.equal(bench.text('request 1', 'answer'), text(1, 40));
    assert.equal(bench.text('request 4', 'answer'), text(4, 40));
    const swaps = bench.runner.calls.filter(({ kind }) => kind === 'swap');
    assert.equal(swaps.length, 1);
    // What the finished one left in the slot still serves.
    const again = { ...job(2, 4), request: { ...job(2, 4).request, id: 'again' } };
    const finish = await bench.submit(again);
    assert.equal(finish.usage.cachedTokens, 19);
    assert.equal(bench.text('again', 'answer'), text(2, 4));
  });
});
