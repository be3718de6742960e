import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { BLANK_LINE, bytesOf, CLOSE, IMAGE } from '../../helpers/byte-tokens.ts';
import { EngineBench, imageOf, promptOf, requestOf, writes } from '../../helpers/engine-bench.ts';

const DIRECT = [BLANK_LINE, CLOSE, ...bytesOf('No.')];

test('the engine counts its steps, computed tokens and reused tokens', async () => {
  const bench = new EngineBench({ prefillChunk: 8, tilesPerStep: 2 });
  const image = imageOf('a', 3, 4);
  const job = (key: number) => ({
    request: requestOf([key, ...new Array<number>(4).fill(IMAGE), ...promptOf(97, 15)], {
      images: [image],
    }),
    script: writes(DIRECT),
  });
  await bench.submit(job(1));
  await bench.submit(job(2));
  // The finish travels before its step is over.
  await setImmediate();
  const { totals } = bench.engine.counts();
  assert.equal(totals.imageQueries, 2);
  assert.equal(totals.imageHits, 1);
  assert.equal(totals.encodedTiles, 3);
  assert.equal(totals.prefilledTokens, 40);
  // The first token of each comes with its prompt, the others from decode steps: the text and its end of turn.
  assert.equal(totals.decodedTokens, 2 * DIRECT.length);
  // Two steps of tiles for the first alone; for each three chunks, and one for every later token.
  assert.equal(totals.steps, 2 + 2 * (3 + DIRECT.length));
  assert.ok(totals.stepMs > 0 && totals.visionMs > 0);
});

test('an aborted request is counted once', async () => {
  const bench = new EngineBench();
  const finished = bench.submit({ request: requestOf(promptOf(1, 5)), script: () => 97 });
  bench.engine.abort('request 1');
  bench.engine.abort('request 1');
  await finished;
  assert.equal(bench.engine.counts().totals.aborted, 1);
});

test('the counts are sent while a long prompt is processed', async () => {
  const seen: [number, number][] = [];
  const bench: EngineBench = new EngineBench({
    numSlots: 1,
    prefillChunk: 4,
    onEmit: () => {
      const { numRunning, numWaiting } = bench.engine.counts();
      seen.push([numRunning, numWaiting]);
    },
  });
  const first = bench.submit({ request: requestOf(promptOf(1, 30)), script: writes(DIRECT) });
  const second = bench.submit({ request: requestOf(promptOf(2, 30)), script: writes(DIRECT) });
  await Promise.all([first, second]);
  const firstEvent = seen.findIndex(([running, waiting]) => running === 1 && waiting === 1);
  assert.ok(firstEvent >= 0 && firstEvent < 3, JSON.stringify(seen.slice(0, 5)));
  assert.deepEqual(seen.at(-1), [0, 0]);
});
