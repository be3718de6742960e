import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GenerationRequest } from '../../../src/engine/generation.ts';
import { bytesOf, EOS, IMAGE, idsOf, NEWLINE } from '../../helpers/byte-tokens.ts';
import {
  EngineBench,
  imageOf,
  type Job,
  occupancy,
  promptOf,
  requestOf,
  writes,
} from '../../helpers/engine-bench.ts';

const THINKING = requestOf([1]).thinking;
const THINK = { ...THINKING, requested: 'think', source: 'request' } as const;
const FAST = { ...THINKING, requested: 'fast', source: 'request', start: 'answer-start' } as const;

function thinks(key: number, length: number, parts: Partial<GenerationRequest> = {}): Job {
  const script = writes([NEWLINE, ...bytesOf('t'.repeat(length)), ...idsOf('\n</think>\nYes.')]);
  return { request: requestOf(promptOf(key, 12), parts), script };
}

function answers(key: number, parts: Partial<GenerationRequest> = {}): Job {
  return {
    request: requestOf(promptOf(key, 6), { thinking: FAST, ...parts }),
    script: writes(bytesOf('No.')),
  };
}

/** In which order the requests ended. */
function ends(bench: EngineBench, jobs: readonly Job[]): Promise<string[]> {
  const order: string[] = [];
  const all = jobs.map(async (job) => {
    await bench.submit(job);
    order.push(job.request.id);
  });
  return Promise.all(all).then(() => order);
}

describe('Engine: thinking sequences and direct answers', () => {
  it('admits an answer that arrives during another prompt before the decode batch of the step', async () => {
    const kinds: string[] = [];
    let late: Promise<unknown> | undefined;
    const bench: EngineBench = new EngineBench({
      prefillChunk: 32,
      onCall: (call) => {
        kinds.push(call.kind === 'prefill' ? `prefill ${call.key}` : call.kind);
        if (call.kind === 'prefill' && call.key === 2) late ??= bench.submit(answers(3));
      },
    });
    const first = bench.submit(thinks(1, 20, { thinking: THINK }));
    while (!kinds.includes('decode')) await new Promise((resolve) => setImmediate(resolve));
    await bench.submit(thinks(2, 5, { thinking: THINK }));
    await Promise.all([first, late]);
    const at = kinds.indexOf('prefill 2');
    assert.deepEqual(kinds.slice(at, at + 3), ['prefill 2', 'prefill 3', 'decode']);
  });

  it('sends a first token before it processes the next prompt', async () => {
    const seen: number[] = [];
    const bench: EngineBench = new EngineBench({
      prefillChunk: 32,
      onCall: (call) => {
        if (call.kind === 'prefill') seen.push(bench.tokens('request 11').length);
      },
    });
    await ends(bench, [answers(11), thinks(12, 5)]);
    assert.deepEqual(seen, [0, 1]);
  });

  it('reserves a slot for direct answers while thinking sequences fill the rest', async () => {
    let most = 0;
    const bench: EngineBench = new EngineBench({
      numSlots: 3,
      maxThinkingSeqs: 2,
      onCall: () => {
        most = Math.max(most, bench.engine.counts().numThinking);
      },
    });
    const jobs = [
      ...[1, 2, 3, 4].map((key) => thinks(key, 60, { thinking: THINK })),
      ...[11, 12, 13].map((key) => answers(key)),
    ];
    const order = await ends(bench, jobs);
    assert.equal(most, 2);
    assert.deepEqual(
      new Set(order.slice(0, 3)),
      new Set(['request 11', 'request 12', 'request 13']),
    );
  });

  it('preempts a thinking sequence for one that may be short, and continues it without a trace in its output', async () => {
    const preempted = new EngineBench({ numSlots: 2, maxThinkingSeqs: 1 });
    const alone = new EngineBench({ numSlots: 2 });
    const sampling = { ...requestOf([1]).sampling, temperature: 1, seed: 3, frequencyPenalty: 0.2 };
    const long = [1, 2].map((key) => thinks(key, 40, { sampling, topLogprobs: 2, maxTokens: 60 }));
    const running = ends(preempted, long);
    // Both are in their thinking when the short one comes.
    while (preempted.tokens('request 2').length < 10) await Promise.resolve();
    const direct = preempted.submit(answers(11));
    assert.equal((await direct).reason, 'stop');
    assert.equal(preempted.engine.counts().totals.preemptions, 1);
    assert.ok(!preempted.isFinished('request 1') && !preempted.isFinished('request 2'));
    await running;
    for (const job of long) await alone.submit(job);
    for (const { request } of long) {
      assert.deepEqual(preempted.tokens(request.id), alone.tokens(request.id));
      const [one, other] = [preempted, alone].map((bench) => bench.of(request.id).at(-1));
      assert.ok(one?.type === 'finish' && other?.type === 'finish');
      assert.deepEqual(one.usage, other.usage);
      assert.equal(one.reason, other.reason);
    }
    assert.deepEqual(occupancy(preempted.engine), {
      numRunning: 0,
      numWaiting: 0,
      kvCacheUsage: 0,
    });
  });

  it('computes the tokens of a preempted sequence again, but not its image', async () => {
    const bench = new EngineBench({ numSlots: 2, maxThinkingSeqs: 1 });
    const other = bench.submit(thinks(2, 90));
    while (bench.tokens('request 2').length < 30) await Promise.resolve();
    const images = [imageOf('a', 3, 5)];
    const request = requestOf([1, ...new Array<number>(5).fill(IMAGE), 97], { images });
    const { script } = thinks(1, 40);
    const long = bench.submit({ request, script });
    while (bench.tokens('request 1').length < 10) await Promise.resolve();
    assert.equal((await bench.submit(answers(11))).reason, 'stop');
    assert.ok(!bench.isFinished('request 1'));
    const [finish] = await Promise.all([long, other]);
    assert.equal(finish.reason, 'stop');
    assert.equal(bench.text('request 1', 'answer'), 'Yes.');
    assert.equal(bench.runner.calls.filter(({ kind }) => kind === 'encode').length, 2);
    const again = bench.runner.calls.findLast((call) => call.kind === 'prefill');
    assert.ok(again?.kind === 'prefill' && again.key === 1 && !again.chunk.needsLogits);
    // A piece ends where the prompt does: what follows is computed as it was when it was generated.
    const pieces = bench.runner.calls.flatMap((call) =>
      call.kind === 'prefill' && call.key === 1 ? [call.chunk] : [],
    );
    assert.ok(pieces.some(({ start }) => start === request.promptTokenIds.length));
    for (const { start, tokenIds, wasGenerated } of pieces) {
      assert.equal(wasGenerated, start >= request.promptTokenIds.length);
      assert.ok(wasGenerated || start + tokenIds.length <= request.promptTokenIds.length);
    }
  });

  it('lets urgent requests pass others that wait', async () => {
    const bench = new EngineBench({ numSlots: 1 });
    const order = await ends(bench, [
      answers(1),
      answers(2, { priority: 3 }),
      answers(3, { priority: -3 }),
    ]);
    assert.deepEqual(order, ['request 3', 'request 1', 'request 2']);
  });

  it('lets a short prompt pass a long one', async () => {
    const bench = new EngineBench({ numSlots: 2, prefillChunk: 16, slotCapacity: 512 });
    const long = requestOf(promptOf(1, 300), { thinking: FAST });
    const order = await ends(bench, [{ request: long, script: writes([EOS]) }, answers(2)]);
    assert.deepEqual(order, ['request 2', 'request 1']);
  });

  it('shortens pieces of prompts to the prefill budget while sequences decode', async () => {
    let time = 0;
    const bench = new EngineBench({
      numSlots: 2,
      slotCapacity: 2_048,
      prefillChunk: 256,
      stallMs: 320,
      now: () => time,
      onCall: (call) => {
        if (call.kind === 'prefill') time += 10 * call.chunk.tokenIds.length;
      },
    });
    const stream = bench.submit({
      request: requestOf(promptOf(1, 64), { thinking: FAST, maxTokens: 60 }),
      script: () => 97,
    });
    const long = requestOf(promptOf(2, 1_000), { thinking: FAST });
    await Promise.all([stream, bench.submit({ request: long, script: writes([EOS]) })]);
    const pieces = bench.runner.calls.flatMap((call) =>
      call.kind === 'prefill' && call.key === 2 ? [call.chunk.tokenIds.length] : [],
    );
    assert.deepEqual(new Set(pieces.slice(1, -1)), new Set([32]));
  });
});

describe('Engine: deadlines', () => {
  /** A clock that a decode step takes 10 ms of. */
  function benchOf(numSlots = 1): EngineBench {
    let time = 0;
    return new EngineBench({
      numSlots,
      now: () => time,
      onCall: (call) => {
        if (call.kind === 'decode') time += 10;
      },
    });
  }

  it('end a waiting request that they pass, before any work', async () => {
    const bench = benchOf();
    const first = bench.submit(thinks(1, 60));
    const finish = await bench.submit(thinks(2, 5, { timeoutMs: 300 }));
    assert.equal(finish.reason, 'timeout');
    assert.equal(finish.usage.completionTokens, 0);
    assert.ok(finish.timing.totalMs >= 300 && finish.timing.totalMs < 320);
    assert.equal((await first).reason, 'stop');
    assert.ok(bench.runner.calls.every((call) => call.kind !== 'prefill' || call.key === 1));
  });

  it('close the thinking while there is time for an answer', async () => {
    const bench = benchOf();
    const thinking = { ...THINKING, answerFloor: 12 };
    const script = (generated: readonly number[]): number => {
      const closed = generated.indexOf(257);
      return closed < 0 ? 97 : (bytesOf('Well: yes.')[generated.length - closed - 1] ?? EOS);
    };
    const request = requestOf(promptOf(1, 5), { thinking, timeoutMs: 500, maxTokens: 200 });
    const finish = await bench.submit({ request, script });
    assert.deepEqual([finish.reason, finish.thinkingEnd], ['stop', 'deadline']);
    assert.equal(bench.text('request 1', 'answer'), 'Well: yes.');
    assert.ok(finish.timing.totalMs <= 500, `${finish.timing.totalMs}`);
    assert.ok(finish.timing.totalMs >= 400, `${finish.timing.totalMs}`);
  });

  it('end an answer that takes longer', async () => {
    const bench = benchOf();
    const request = requestOf(promptOf(1, 5), { thinking: FAST, timeoutMs: 205, maxTokens: 200 });
    const finish = await bench.submit({ request, script: () => 97 });
    assert.deepEqual([finish.reason, finish.thinkingEnd], ['timeout', null]);
    assert.equal(bench.text('request 1', 'answer').length, finish.usage.completionTokens);
    assert.ok(finish.usage.completionTokens > 15 && finish.usage.completionTokens < 25);
  });
});
