import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { it } from 'node:test';
import type { Engine } from '../../../src/engine/engine.ts';
import type { FinishReason } from '../../../src/engine/generation.ts';
import { BLANK_LINE, bytesOf, CLOSE, IMAGE, NEWLINE } from '../../helpers/byte-tokens.ts';
import { repetitions } from '../../helpers/corpus-sample.ts';
import {
  EngineBench,
  imageOf,
  type Job,
  occupancy,
  requestOf,
  writes,
} from '../../helpers/engine-bench.ts';
import { Random } from '../../helpers/random.ts';
import { answerRequest, RuntimeEngine } from '../../helpers/runtime-engine.ts';
import { makeTinyModel, TINY_SHAPE, writeTinyPackage } from '../../helpers/tiny-model.ts';

const IDLE = { numRunning: 0, numWaiting: 0, kvCacheUsage: 0 };

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Keeps `live` requests going until `total` were made, each aborted at a random moment, and counts how they ended. */
async function storm(options: {
  readonly random: Random;
  readonly engine: Engine;
  readonly total: number;
  readonly live: number;
  /** Turns of the event loop after which a client has left at the latest. */
  readonly patience: number;
  readonly submit: (index: number) => {
    readonly id: string;
    readonly reason: Promise<FinishReason>;
  };
}): Promise<Map<FinishReason, number>> {
  const { random, engine, total, live, patience, submit } = options;
  const ends = new Map<FinishReason, number>();
  let next = 0;
  async function client(): Promise<void> {
    while (next < total) {
      const { id, reason } = submit(next++);
      for (let wait = random.below(patience); wait > 0; wait--) await tick();
      engine.abort(id);
      const end = await reason;
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  }
  await Promise.all(Array.from({ length: live }, client));
  return ends;
}

/** Kinds of work to be caught in: images, long and short prompts, thinking and direct answers. */
function randomJob(random: Random, index: number): Job {
  const key = 1 + (index % 255);
  const thinks = random.below(2) === 0;
  const words = bytesOf('n'.repeat(random.below(40)));
  const image = random.below(4) === 0;
  const placeholders = image ? new Array<number>(5).fill(IMAGE) : [];
  const rest = Array.from({ length: random.below(40) }, (_, i) => 97 + (i % 26));
  return {
    request: requestOf([key, ...placeholders, ...rest], {
      id: `request ${index}`,
      images: image ? [imageOf(random.below(2) === 0 ? 'a' : 'b', 3, 5)] : [],
      maxTokens: 60,
      priority: random.below(5) - 2,
    }),
    script: writes(thinks ? [NEWLINE, ...words, CLOSE, ...words] : [BLANK_LINE, CLOSE, ...words]),
  };
}

it('aborts at random moments lose no slot and no request', async () => {
  const total = repetitions(10_000, 2_000);
  const random = new Random(77);
  const bench: EngineBench = new EngineBench({
    numSlots: 5,
    maxThinkingSeqs: 3,
    slotCapacity: 256,
    speculates: true,
    onCall: () => (random.below(3) === 0 ? tick() : undefined),
  });
  const ends = await storm({
    random,
    engine: bench.engine,
    total,
    live: 30,
    patience: 12,
    submit: (index) => {
      const job = randomJob(random, index);
      const reason = bench.submit(job).then((finish) => {
        assert.equal(finish.detail, null);
        return finish.reason;
      });
      return { id: job.request.id, reason };
    },
  });
  assert.deepEqual(new Set(ends.keys()), new Set<FinishReason>(['abort', 'stop']));
  assert.ok((ends.get('abort') ?? 0) > total / 2, `${ends.get('abort')} aborted`);
  assert.deepEqual(occupancy(bench.engine), IDLE);
  // Every slot still takes a sequence.
  let most = 0;
  bench.runner.decode = ((decode) => (rows) => {
    most = Math.max(most, rows.length);
    return decode.call(bench.runner, rows);
  })(bench.runner.decode);
  const last = Array.from({ length: 5 }, (_, i) =>
    bench.submit({
      request: requestOf([i + 1, 97], { id: `last ${i}`, maxTokens: 30 }),
      script: writes([BLANK_LINE, CLOSE, ...bytesOf('n'.repeat(28))]),
    }),
  );
  await Promise.all(last);
  assert.equal(most, 5);
});

it('aborts on the real runtime leave no listener and no memory behind, and change nothing', async () => {
  const total = repetitions(2_000, 500);
  const random = new Random(78);
  const tiny = await writeTinyPackage(makeTinyModel(), { withVision: false });
  const bench = await RuntimeEngine.open({
    ...tiny,
    numSlots: 4,
    slotCapacity: 64,
    prefillChunk: 16,
    speculates: true,
  });
  try {
    const prompt = random.ints(20, TINY_SHAPE.vocabSize);
    const alone = await bench.run(answerRequest(prompt, { id: 'before', maxTokens: 12 }));
    const before = process.memoryUsage();
    const ends = await storm({
      random,
      engine: bench.engine,
      total,
      live: 12,
      patience: repetitions(400, 800),
      submit: (index) => {
        const tokenIds = random.ints(1 + random.below(40), TINY_SHAPE.vocabSize);
        const request = answerRequest(tokenIds, { id: `request ${index}`, maxTokens: 20 });
        return { id: request.id, reason: bench.run(request).then(({ finish }) => finish.reason) };
      },
    });
    assert.deepEqual(new Set(ends.keys()), new Set<FinishReason>(['abort', 'length']));
    assert.ok((ends.get('abort') ?? 0) > total / 4, `${ends.get('abort')} aborted`);
    assert.deepEqual(occupancy(bench.engine), IDLE);
    for (const signal of bench.signals) assert.equal(getEventListeners(signal, 'abort').length, 0);
    const after = process.memoryUsage();
    assert.ok(after.arrayBuffers - before.arrayBuffers < 2 ** 25);
    assert.ok(after.rss - before.rss < 2 ** 27, `${after.rss - before.rss} bytes more`);
    const again = await bench.run(answerRequest(prompt, { id: 'after', maxTokens: 12 }));
    assert.deepEqual(again.tokenIds, alone.tokenIds);
  } finally {
    await bench.runner.dispose();
    await tiny.remove();
  }
});
