import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BLANK_LINE, bytesOf, CLOSE, IMAGE } from '../../helpers/byte-tokens.ts';
import {
  EngineBench,
  imageOf,
  type Job,
  occupancy,
  promptOf,
  requestOf,
  writes,
} from '../../helpers/engine-bench.ts';
import type { RunnerCall } from '../../helpers/scripted-runner.ts';

const DIRECT = writes([BLANK_LINE, CLOSE, ...bytesOf('No.')]);

/** A request with a prompt of `length` tokens and an answer of `answerLength`. */
function jobOf(key: number, length: number, answerLength = 3): Job {
  const script = writes([BLANK_LINE, CLOSE, ...bytesOf('n'.repeat(answerLength))]);
  return { request: requestOf(promptOf(key, length)), script };
}

function placeholders(count: number): number[] {
  return new Array<number>(count).fill(IMAGE);
}

/** The calls in short: what was encoded, which rows were prefilled, who was decoded. */
function outline(calls: readonly RunnerCall[]): string[] {
  return calls.map((call) => {
    if (call.kind === 'encode') return `encode ${call.image.hash} ${call.first}+${call.count}`;
    if (call.kind === 'decode') return `decode ${call.keys.join(',')}`;
    if (call.kind === 'verify') return `verify ${call.keys[0]}`;
    if (call.kind === 'swap') return `swap ${call.slots.join(',')}`;
    if (call.kind === 'copy') return `copy ${call.copy.fromSlot} to ${call.copy.toSlot}`;
    return `prefill ${call.key} ${call.chunk.start}+${call.chunk.tokenIds.length}`;
  });
}

function slotsByKey(calls: readonly RunnerCall[]): Map<number, Set<number>> {
  const slots = new Map<number, Set<number>>();
  for (const call of calls) {
    if (call.kind !== 'prefill') continue;
    slots.set(call.key, (slots.get(call.key) ?? new Set()).add(call.chunk.slot));
  }
  return slots;
}

describe('Engine: prompts', () => {
  it('are prefilled in chunks, and only the last one asks for logits', async () => {
    for (const [length, chunks] of [
      [1, ['0+1']],
      [8, ['0+8']],
      [9, ['0+8', '8+1']],
      [21, ['0+8', '8+8', '16+5']],
    ] as const) {
      const bench = new EngineBench({ prefillChunk: 8 });
      await bench.submit(jobOf(1, length));
      const prefills = bench.runner.calls.filter((call) => call.kind === 'prefill');
      assert.deepEqual(
        outline(prefills),
        chunks.map((chunk) => `prefill 1 ${chunk}`),
      );
      assert.deepEqual(
        prefills.map(({ chunk }) => chunk.needsLogits),
        chunks.map((_, i) => i === chunks.length - 1),
      );
      const ids = prefills.flatMap(({ chunk }) => [...chunk.tokenIds]);
      assert.deepEqual(ids, promptOf(1, length));
    }
  });

  it('advance one chunk a step, while the others decode', async () => {
    const bench = new EngineBench({ prefillChunk: 8 });
    await Promise.all([bench.submit(jobOf(1, 4)), bench.submit(jobOf(2, 20))]);
    assert.deepEqual(outline(bench.runner.calls).slice(0, 7), [
      'prefill 1 0+4',
      'prefill 2 0+8',
      'decode 1',
      'prefill 2 8+8',
      'decode 1',
      'prefill 2 16+4',
      'decode 1',
    ]);
    assert.equal(outline(bench.runner.calls)[7], 'decode 1,2');
  });

  it('begin in the order of arrival', async () => {
    const bench = new EngineBench({ numSlots: 2 });
    const keys = [5, 3, 9, 1, 7];
    await Promise.all(keys.map((key) => bench.submit(jobOf(key, 3))));
    assert.deepEqual([...slotsByKey(bench.runner.calls).keys()], keys);
  });
});

describe('Engine: images', () => {
  it('are encoded some tiles at a time, and each placeholder row gets its own feature', async () => {
    const images = [imageOf('a', 5, 11), imageOf('b', 1, 4), imageOf('c', 2, 9)];
    for (const prefillChunk of [1, 2, 3, 7, 8, 64]) {
      for (const tilesPerStep of [1, 2, 10]) {
        const bench = new EngineBench({ prefillChunk, tilesPerStep });
        const prompt = [1, 97, ...placeholders(11), 98, ...placeholders(4), ...placeholders(9), 99];
        const request = requestOf(prompt, { images });
        // The runner throws where a row does not get the feature that is its own.
        const finish = await bench.submit({ request, script: DIRECT });
        assert.equal(finish.message, null);
        assert.equal(finish.reason, 'stop');
        assert.equal(finish.usage.imageTokens, 24);
        assert.equal(bench.text('request 1', 'answer'), 'No.');
        const tiles = bench.runner.calls.flatMap((call) =>
          call.kind === 'encode'
            ? Array.from({ length: call.count }, (_, i) => `${call.image.hash}${call.first + i}`)
            : [],
        );
        assert.deepEqual(tiles, ['a0', 'a1', 'a2', 'a3', 'a4', 'b0', 'c0', 'c1']);
        const encodes = bench.runner.calls.filter((call) => call.kind === 'encode');
        assert.ok(encodes.every(({ count }) => count <= tilesPerStep));
        assert.ok(finish.timing.visionMs > 0);
      }
    }
  });

  it('let other sequences decode between two pieces', async () => {
    const bench = new EngineBench({ tilesPerStep: 2 });
    const images = [imageOf('a', 5, 6)];
    const image = requestOf([2, ...placeholders(6)], { images });
    await Promise.all([
      bench.submit(jobOf(1, 2, 8)),
      bench.submit({ request: image, script: DIRECT }),
    ]);
    assert.deepEqual(outline(bench.runner.calls).slice(0, 8), [
      'prefill 1 0+2',
      'encode a 0+2',
      'decode 1',
      'encode a 2+2',
      'decode 1',
      'encode a 4+1',
      'decode 1',
      'prefill 2 0+7',
    ]);
  });

  it('that do not match the placeholders are rejected before any work', async () => {
    const bench = new EngineBench();
    const cases = [
      [[1, ...placeholders(3), 97], [imageOf('a', 1, 4)], /Image 0 takes 4 .* has 3/],
      [[1, 97], [imageOf('a', 1, 4)], /Image 0 takes 4 .* has 0/],
      [[1, ...placeholders(6)], [imageOf('a', 1, 4), imageOf('b', 1, 4)], /Image 1 .* has 2/],
    ] as const;
    for (const [prompt, images, message] of cases) {
      const finish = await bench.submit({ request: requestOf(prompt, { images }), script: DIRECT });
      assert.equal(finish.reason, 'error');
      assert.match(finish.message ?? '', message);
    }
    assert.deepEqual(bench.runner.calls, []);
  });

  it('whose features have the wrong size fail their own request only', async () => {
    const bench = new EngineBench();
    bench.runner.packFeatures = () => new Float32Array(5);
    const request = requestOf([1, ...placeholders(2)], { images: [imageOf('a', 1, 2)] });
    const [broken, other] = await Promise.all([
      bench.submit({ request, script: DIRECT }),
      bench.submit(jobOf(2, 3)),
    ]);
    assert.match(broken.detail ?? '', /2 tokens must have 8 feature values, got 5/);
    assert.equal(other.reason, 'stop');
  });
});

describe('Engine: slots', () => {
  it('are assigned lowest first, and free ones are reused while others run', async () => {
    const bench = new EngineBench({ numSlots: 3 });
    await Promise.all([
      bench.submit(jobOf(1, 2, 30)),
      bench.submit(jobOf(2, 2, 2)),
      bench.submit(jobOf(3, 2, 40)),
      bench.submit(jobOf(4, 2, 2)),
      bench.submit(jobOf(5, 2, 60)),
    ]);
    const slots = slotsByKey(bench.runner.calls);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((key) => [...(slots.get(key) ?? [])]),
      [[0], [1], [2], [1], [1]],
    );
    await bench.submit(jobOf(6, 2));
    assert.deepEqual([...(slotsByKey(bench.runner.calls).get(6) ?? [])], [0]);
  });

  it('are counted with their share of the cache, and are all free in the end', async () => {
    const seen: { numRunning: number; numWaiting: number; kvCacheUsage: number }[] = [];
    const bench = new EngineBench({
      numSlots: 2,
      slotCapacity: 120,
      onCall: () => void seen.push(occupancy(bench.engine)),
    });
    await Promise.all([1, 2, 3].map((key) => bench.submit(jobOf(key, 8, 5))));
    assert.deepEqual(seen[0], { numRunning: 2, numWaiting: 1, kvCacheUsage: 0 });
    assert.deepEqual(seen[1], { numRunning: 2, numWaiting: 1, kvCacheUsage: 8 / 240 });
    // After the first decode of sequence 1 and the prompt of 2.
    assert.deepEqual(seen[3], { numRunning: 2, numWaiting: 1, kvCacheUsage: 17 / 240 });
    assert.ok(seen.every(({ numRunning }) => numRunning <= 2));
    assert.deepEqual(occupancy(bench.engine), { numRunning: 0, numWaiting: 0, kvCacheUsage: 0 });
  });
});
