import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BLANK_LINE, bytesOf, CLOSE, EOS, IMAGE } from '../../helpers/byte-tokens.ts';
import { repetitions } from '../../helpers/corpus-sample.ts';
import {
  type BenchOptions,
  EngineBench,
  imageOf,
  type Job,
  occupancy,
  promptOf,
  requestOf,
  writes,
} from '../../helpers/engine-bench.ts';
import { Random } from '../../helpers/random.ts';
import type { RunnerCall } from '../../helpers/scripted-runner.ts';

const IDLE = { numRunning: 0, numWaiting: 0, kvCacheUsage: 0 };

function jobOf(key: number, length: number, answerLength = 3): Job {
  const script = writes([BLANK_LINE, CLOSE, ...bytesOf('n'.repeat(answerLength))]);
  return { request: requestOf(promptOf(key, length)), script };
}

/** A promise to hold a call up with. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Lets everything that can run without the outside world run. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

describe('Engine: aborts', () => {
  it('of a waiting request finish it at once and leave the others alone', async () => {
    const { opened, open } = gate();
    const bench = new EngineBench({ numSlots: 1, onCall: () => opened });
    const first = bench.submit(jobOf(1, 3));
    const second = bench.submit(jobOf(2, 3));
    await settle();
    bench.engine.abort('request 2');
    const aborted = await second;
    assert.equal(aborted.reason, 'abort');
    assert.equal(aborted.thinkingEnd, null);
    assert.equal(aborted.usage.completionTokens, 0);
    assert.deepEqual(bench.of('request 2'), [aborted], 'nothing was decided');
    open();
    assert.equal((await first).reason, 'stop');
    assert.ok(bench.runner.calls.every((call) => call.kind !== 'prefill' || call.key === 1));
  });

  it('right after the submit finish a request before any work', async () => {
    const bench = new EngineBench();
    const finished = bench.submit(jobOf(1, 3));
    bench.engine.abort('request 1');
    assert.equal((await finished).reason, 'abort');
    await settle();
    assert.deepEqual(bench.runner.calls, []);
    assert.deepEqual(occupancy(bench.engine), IDLE);
  });

  it('interrupt a prefill and free the slot, and the others continue', async () => {
    const bench = new EngineBench({
      numSlots: 1,
      prefillChunk: 4,
      onCall: (call) =>
        call.kind === 'prefill' && call.key === 1 && call.chunk.start === 4
          ? new Promise(() => undefined)
          : undefined,
    });
    const stuck = bench.submit(jobOf(1, 20));
    const next = bench.submit(jobOf(2, 3));
    await settle();
    bench.engine.abort('request 1');
    assert.equal((await stuck).reason, 'abort');
    assert.equal((await next).reason, 'stop');
    assert.deepEqual(occupancy(bench.engine), IDLE);
  });

  it('interrupt the encoding of an image', async () => {
    const bench = new EngineBench({
      onCall: (call) => (call.kind === 'encode' ? new Promise(() => undefined) : undefined),
    });
    const request = requestOf([1, IMAGE, IMAGE], { images: [imageOf('a', 3, 2)] });
    const stuck = bench.submit({ request, script: writes([]) });
    await settle();
    bench.engine.abort('request 1');
    assert.equal((await stuck).reason, 'abort');
    assert.equal((await bench.submit(jobOf(2, 3))).reason, 'stop');
  });

  it('during a decode step end with that step, without its token, and the others continue', async () => {
    const { opened, open } = gate();
    let decodes = 0;
    const bench = new EngineBench({
      onCall: (call) => (call.kind === 'decode' && ++decodes === 5 ? opened : undefined),
    });
    const gone = bench.submit(jobOf(1, 3, 50));
    const other = bench.submit(jobOf(2, 3, 20));
    await settle();
    const before = bench.tokens('request 1').length;
    bench.engine.abort('request 1');
    bench.engine.abort('request 1');
    open();
    const aborted = await gone;
    assert.equal(aborted.reason, 'abort');
    assert.equal(bench.tokens('request 1').length, before);
    assert.equal(aborted.usage.completionTokens, before);
    assert.equal((await other).reason, 'stop');
    assert.equal(bench.text('request 2', 'answer'), 'n'.repeat(20));
    assert.deepEqual(occupancy(bench.engine), IDLE);
  });

  it('before a failing step are aborts, not errors', async () => {
    const bench = new EngineBench({
      onCall: (call) => {
        if (call.kind !== 'decode') return;
        bench.engine.abort('request 1');
        throw new Error('broken');
      },
    });
    assert.equal((await bench.submit(jobOf(1, 3))).reason, 'abort');
  });

  it('of unknown or finished requests do nothing', async () => {
    const bench = new EngineBench();
    await bench.submit(jobOf(1, 3));
    bench.engine.abort('request 1');
    bench.engine.abort('nobody');
    await settle();
    assert.equal(bench.of('request 1').filter(({ type }) => type === 'finish').length, 1);
  });

  it('send the text that was held back', async () => {
    const { opened, open } = gate();
    let decodes = 0;
    const bench = new EngineBench({
      onCall: (call) => (call.kind === 'decode' && ++decodes === 3 ? opened : undefined),
    });
    const finished = bench.submit({
      request: requestOf(promptOf(1, 3)),
      script: writes(bytesOf('a </think>')),
    });
    await settle();
    bench.engine.abort('request 1');
    open();
    const finish = await finished;
    assert.deepEqual(finish.pieces, [{ section: 'reasoning', text: ' <' }]);
    assert.equal(finish.thinkingEnd, 'abort');
  });
});

describe('Engine: failures', () => {
  function failing(fails: (call: RunnerCall, index: number) => boolean, more?: BenchOptions) {
    return new EngineBench({
      ...more,
      onCall: (call, index) => {
        if (fails(call, index)) throw new Error('the device is gone');
      },
    });
  }

  it('of a decode step fail the sequences in it, and the engine continues', async () => {
    let failed = false;
    const bench = failing((call) => {
      const now = !failed && call.kind === 'decode' && call.keys.length === 2;
      failed ||= now;
      return now;
    });
    const jobs = [jobOf(1, 3, 20), jobOf(2, 3, 20), jobOf(3, 20)];
    const [first, second, third] = await Promise.all(jobs.map((job) => bench.submit(job)));
    for (const finish of [first, second]) {
      assert.equal(finish?.reason, 'error');
      assert.equal(finish?.detail, 'the device is gone');
    }
    assert.equal(third?.reason, 'stop');
    assert.equal((await bench.submit(jobOf(4, 3))).reason, 'stop');
    assert.deepEqual(occupancy(bench.engine), IDLE);
  });

  it('of a prefill fail that sequence only', async () => {
    const bench = failing(
      (call) => call.kind === 'prefill' && call.key === 2 && call.chunk.start > 0,
    );
    const jobs = [jobOf(1, 3, 20), jobOf(2, 20), jobOf(3, 3)];
    const finishes = await Promise.all(jobs.map((job) => bench.submit(job)));
    assert.deepEqual(
      finishes.map(({ reason }) => reason),
      ['stop', 'error', 'stop'],
    );
    const broken = bench.of('request 2');
    assert.equal(broken.length, 1, 'it decided and wrote nothing');
  });

  it('of one sequence in a decode step fail that sequence only', async () => {
    const bench = new EngineBench();
    const script = (generated: readonly number[]) =>
      generated.length < 4
        ? BLANK_LINE
        : { tokenId: 0, probabilities: new Map([[0, Number.NaN]]), margin: 0 };
    const [bad, good] = await Promise.all([
      bench.submit({ request: requestOf(promptOf(1, 3)), script }),
      bench.submit(jobOf(2, 3, 10)),
    ]);
    assert.match(bad.detail ?? '', /must be a finite number/);
    assert.equal(good.reason, 'stop');
  });

  it('do not affect a sequence that finished in the same step', async () => {
    const bench = new EngineBench();
    const [good, bad] = await Promise.all([
      bench.submit(jobOf(1, 3)),
      bench.submit({
        request: requestOf(promptOf(2, 3)),
        // This is the step in which the first one ends its turn.
        script: (generated) =>
          generated.length < 5
            ? BLANK_LINE
            : { tokenId: 0, probabilities: new Map([[0, Number.NaN]]), margin: 0 },
      }),
    ]);
    const last = bench.runner.calls.findLast(({ kind }) => kind === 'decode');
    assert.ok(last?.kind === 'decode');
    assert.deepEqual(last.keys, [1, 2]);
    assert.deepEqual([good.reason, bad.reason], ['stop', 'error']);
  });

  it('of a step that returns too few rows end the sequences without logits', async () => {
    const bench = new EngineBench();
    bench.runner.decode = async () => [];
    const finishes = await Promise.all([1, 2].map((key) => bench.submit(jobOf(key, 3))));
    for (const { detail } of finishes) assert.match(detail ?? '', /no logits/);
  });

  it('of a prompt that ends without logits end the request', async () => {
    const bench = new EngineBench();
    bench.runner.prefill = async () => undefined;
    assert.match((await bench.submit(jobOf(1, 3))).detail ?? '', /no logits/);
  });

  it('outside a step end every request, and the engine continues', async () => {
    let broken = true;
    const bench = new EngineBench({
      numSlots: 2,
      onEmit: (ids) => {
        if (!broken || !ids.includes('request 1')) return;
        broken = false;
        throw new Error('the channel is full');
      },
    });
    const jobs = [1, 2, 3].map((key) => jobOf(key, 3));
    const finishes = await Promise.all(jobs.map((job) => bench.submit(job)));
    for (const finish of finishes) {
      assert.deepEqual([finish.reason, finish.detail], ['error', 'the channel is full']);
    }
    assert.equal((await bench.submit(jobOf(4, 3))).reason, 'stop');
    assert.deepEqual(occupancy(bench.engine), IDLE);
  });
});

/** A request of any kind: with an image, thinking, cut short, stopped, sampled. */
function randomJob(random: Random, key: number, id: string): Job {
  const chance = (one: number): boolean => random.below(one) === 0;
  const images = chance(8) ? [imageOf('a', 1 + random.below(4), 5)] : [];
  const placeholders = images.flatMap(({ numTokens }) => new Array<number>(numTokens).fill(IMAGE));
  const words = bytesOf(' so it goes 中 </thin '.repeat(2)).slice(0, random.below(50));
  const close = chance(3) ? [] : [CLOSE, ...bytesOf('Yes.')];
  const { sampling, thinking } = requestOf([1]);
  const request = requestOf([...promptOf(key, 1 + random.below(30)), ...placeholders], {
    id,
    images,
    maxTokens: 1 + random.below(40),
    stop: chance(4) ? ['es'] : [],
    sampling: { ...sampling, temperature: random.below(2), seed: random.below(1000) },
    thinking: {
      ...thinking,
      start: chance(4) ? 'outside' : 'block-start',
      budget: chance(2) ? null : random.below(20),
      answerFloor: random.below(5),
    },
  });
  const script = writes(chance(2) ? [...words, ...close] : [BLANK_LINE, CLOSE, ...words]);
  return { request, script };
}

describe('Engine: many requests, some aborted, some failing', () => {
  it('all finish exactly once and no slot is lost', async () => {
    const random = new Random(61);
    const total = repetitions(2000, 500);
    const live: string[] = [];
    const finishes: Promise<string>[] = [];
    let next = 0;

    function submitOne(): void {
      // Keys are 1 to 255 in turn; at most 40 requests live at a time, so that no two share one.
      const key = 1 + (next++ % 255);
      const job = randomJob(random, key, `request ${next}`);
      const { id, maxTokens, promptTokenIds } = job.request;
      live.push(id);
      const finished = bench.submit(job).then((finish) => {
        live.splice(live.indexOf(id), 1);
        const tokens = bench.tokens(id);
        assert.equal(finish.usage.completionTokens, tokens.length);
        assert.equal(finish.usage.promptTokens, promptTokenIds.length);
        assert.ok(tokens.length <= maxTokens);
        assert.ok(tokens.every(({ tokenId }, i) => tokenId !== EOS || i === tokens.length - 1));
        // Anything else is the runner's complaint about a slot, a position or an image.
        assert.equal(finish.detail, finish.reason === 'error' ? 'a step failed' : null);
        return finish.reason;
      });
      finishes.push(finished);
    }

    function stir(): void {
      while (next < total && live.length < 40 && random.below(3) > 0) submitOne();
      if (random.below(12) === 0) {
        const id = live[random.below(live.length)];
        if (id !== undefined) bench.engine.abort(id);
      }
    }

    const bench: EngineBench = new EngineBench({
      numSlots: 5,
      slotCapacity: 128,
      onCall: () => {
        stir();
        if (random.below(150) === 0) throw new Error('a step failed');
        return random.below(4) === 0 ? settle().then(stir) : undefined;
      },
    });
    while (next < total) {
      submitOne();
      await settle();
    }
    const counts = new Map<string, number>();
    for (const finished of finishes) {
      const reason = await finished;
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    assert.equal(finishes.length, total);
    for (const reason of ['stop', 'length', 'abort', 'error']) {
      assert.ok((counts.get(reason) ?? 0) > total / 100, `${reason}: ${counts.get(reason)}`);
    }
    for (const events of bench.events.values()) {
      assert.equal(events.filter(({ type }) => type === 'finish').length, 1);
    }
    assert.deepEqual(occupancy(bench.engine), IDLE);
  });
});
