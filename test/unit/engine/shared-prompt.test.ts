import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { choiceRequests } from '../../../src/server/request/generation-request.ts';
import { bytesOf, IMAGE, idsOf } from '../../helpers/byte-tokens.ts';
import { EngineBench, imageOf, promptOf, requestOf, writes } from '../../helpers/engine-bench.ts';

const NUM_PROMPT = 30;
const THINKS = idsOf('\nHm.\n</think>\nYes.');

function numPrefilled(bench: EngineBench): number {
  return bench.runner.calls.reduce(
    (sum, call) => sum + (call.kind === 'prefill' ? call.chunk.tokenIds.length : 0),
    0,
  );
}

describe('Choices that share a prompt', () => {
  for (const [numSlots, what] of [
    [4, 'side by side'],
    [2, 'two at a time'],
    [1, 'one after the other'],
  ] as const) {
    it(`prefill it once, ${what}; each computes only its last token again`, async () => {
      const bench = new EngineBench({ numSlots, prefillChunk: 8 });
      const request = requestOf(promptOf(1, NUM_PROMPT), { id: 'x' });
      const jobs = choiceRequests(request, 4).map((each) => ({
        request: each,
        script: writes(THINKS),
      }));
      const ends = await Promise.all(jobs.map((job) => bench.submit(job)));
      assert.deepEqual(
        ends.map(({ usage }) => usage.cachedTokens),
        [0, NUM_PROMPT - 1, NUM_PROMPT - 1, NUM_PROMPT - 1],
      );
      assert.equal(numPrefilled(bench), NUM_PROMPT + 3);
      for (const { request: each } of jobs) assert.equal(bench.text(each.id, 'answer'), 'Yes.');
    });
  }

  it('encode its image once', async () => {
    const bench = new EngineBench({ numSlots: 3 });
    const cat = imageOf('c', 4, 6);
    const prompt = [1, ...new Array<number>(6).fill(IMAGE), ...bytesOf('What?')];
    const request = requestOf(prompt, { id: 'x', images: [cat] });
    const jobs = choiceRequests(request, 3).map((each) => ({
      request: each,
      script: writes(THINKS),
    }));
    await Promise.all(jobs.map((job) => bench.submit(job)));
    const tiles = bench.runner.calls.flatMap((call) => (call.kind === 'encode' ? call.count : []));
    assert.equal(
      tiles.reduce((sum, count) => sum + count, 0),
      4,
    );
  });
});
