import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GenerationEvent } from '../../../src/engine/generation.ts';
import {
  BLANK_LINE,
  bytesOf,
  CLOSE,
  EOS,
  EXIT,
  idsOf,
  NEWLINE,
  tokenBytes,
} from '../../helpers/byte-tokens.ts';
import { EngineBench, promptOf, requestOf, writes } from '../../helpers/engine-bench.ts';
import type { Script } from '../../helpers/scripted-runner.ts';

const THINKS = idsOf('\nHm, 中 <2.\n</think>\nYes, 中.');
const DIRECT = [BLANK_LINE, CLOSE, ...bytesOf('No.')];
const THINKING = requestOf([1]).thinking;
const SAMPLING = requestOf([1]).sampling;

/** Everything but the times, which depend on the company. */
function untimed(events: readonly GenerationEvent[]): unknown[] {
  return events.map((event) => (event.type === 'finish' ? { ...event, timing: null } : event));
}

describe('Engine: the events of one request', () => {
  it('are the decision before any text, a token event per token, and one finish', async () => {
    const bench = new EngineBench();
    const finish = await bench.submit({
      request: requestOf(promptOf(1, 20)),
      script: writes(THINKS),
    });
    const events = bench.of('request 1');
    assert.equal(events.filter(({ type }) => type === 'decision').length, 1);
    assert.equal(events.filter(({ type }) => type === 'finish').length, 1);
    assert.equal(events.at(-1), finish);
    assert.deepEqual(
      bench.tokens('request 1').map(({ tokenId }) => tokenId),
      [...THINKS, EOS],
    );
    assert.equal(bench.text('request 1', 'reasoning'), 'Hm, 中 <2.');
    assert.equal(bench.text('request 1', 'answer'), 'Yes, 中.');
    assert.equal(bench.text('request 1', 'delimiter'), '\n\n</think>\n');
    assert.equal(finish.reason, 'stop');
    assert.equal(finish.thinkingEnd, 'natural');
    assert.equal(finish.message, null);
  });

  it('report a mode that the prompt fixes before any work is done', async () => {
    const bench = new EngineBench();
    const thinking = {
      ...THINKING,
      requested: 'fast',
      source: 'request',
      start: 'answer-start',
    } as const;
    const request = requestOf(promptOf(1, 5), { thinking });
    const finish = await bench.submit({ request, script: writes(bytesOf('No.')) });
    const [first] = bench.of('request 1');
    assert.deepEqual(first, {
      type: 'decision',
      requested: 'fast',
      mode: 'fast',
      source: 'request',
      pThink: null,
      pThinkBiased: null,
      residual: null,
    });
    assert.equal(finish.usage.reasoningTokens, 0);
    assert.equal(finish.thinkingEnd, null);
  });

  it('carry p(think) from the raw logits, whatever the sampling parameters are', async () => {
    const bench = new EngineBench();
    const script: Script = (generated) =>
      generated.length === 0
        ? {
            tokenId: BLANK_LINE,
            probabilities: new Map([
              [NEWLINE, 0.3],
              [BLANK_LINE, 0.6],
            ]),
          }
        : (DIRECT[generated.length] ?? EOS);
    const sampling = { ...SAMPLING, logitBias: new Map([[NEWLINE, -5]]), repetitionPenalty: 1.5 };
    await bench.submit({ request: requestOf(promptOf(1, 5), { sampling }), script });
    const decision = bench.of('request 1').find((event) => event.type === 'decision');
    assert.ok(decision);
    assert.equal(decision.mode, 'fast');
    assert.ok(Math.abs((decision.pThink ?? 0) - 1 / 3) < 1e-6);
    assert.ok(Math.abs((decision.residual ?? 0) - 0.1) < 1e-6);
  });

  it('hold an untagged answer that begins like a tag until it is certain, on the answer section', async () => {
    const thinking = { ...THINKING, start: 'outside' } as const;
    for (const [text, maxTokens] of [
      ['<b>x', 100],
      ['<th', 3],
    ] as const) {
      const bench = new EngineBench();
      const request = requestOf(promptOf(1, 5), { thinking, maxTokens });
      await bench.submit({ request, script: writes(bytesOf(text)) });
      const tokens = bench.tokens('request 1');
      assert.deepEqual(new Set(tokens.map(({ section }) => section)), new Set(['answer']));
      assert.equal(bench.text('request 1', 'answer'), text);
      assert.equal(bench.of('request 1')[0]?.type, 'decision');
      assert.deepEqual(tokens.map(({ tokenId }) => tokenId).slice(0, text.length), bytesOf(text));
    }
  });

  it('report the budget, the forced tokens and the reasoning tokens', async () => {
    const bench = new EngineBench();
    const script: Script = (generated) => {
      const closed = generated.indexOf(CLOSE);
      return closed < 0 ? 97 : (bytesOf('Yes.')[generated.length - closed - 1] ?? EOS);
    };
    const thinking = { ...THINKING, budget: 7 };
    const finish = await bench.submit({ request: requestOf(promptOf(1, 5), { thinking }), script });
    const forced = bench.tokens('request 1').filter((token) => token.forced);
    assert.deepEqual(
      forced.map(({ tokenId }) => tokenId),
      EXIT,
    );
    assert.equal(bench.text('request 1', 'reasoning'), 'aaaaaaa');
    assert.equal(bench.text('request 1', 'answer'), 'Yes.');
    assert.deepEqual(finish.budget, { asked: 7, effective: 7 });
    assert.equal(finish.usage.reasoningTokens, 9);
    assert.equal(finish.thinkingEnd, 'budget');
  });

  it('close a block in which the model would end its turn, and answer', async () => {
    const bench = new EngineBench();
    const script: Script = (generated) => {
      const closed = generated.indexOf(CLOSE);
      if (closed < 0) return bytesOf('Hm')[generated.length] ?? EOS;
      return bytesOf('Yes.')[generated.length - closed - 1] ?? EOS;
    };
    const finish = await bench.submit({ request: requestOf(promptOf(1, 5)), script });
    assert.equal(bench.text('request 1', 'reasoning'), 'Hm');
    assert.equal(bench.text('request 1', 'answer'), 'Yes.');
    assert.equal(finish.reason, 'stop');
    assert.equal(finish.thinkingEnd, 'stop');
  });
});

describe('Engine: how a generation finishes', () => {
  it('is by length at exactly max_tokens, with all the text', async () => {
    for (const maxTokens of [1, 2, 10, THINKS.length]) {
      const bench = new EngineBench();
      const request = requestOf(promptOf(1, 5), { maxTokens });
      const finish = await bench.submit({ request, script: writes(THINKS) });
      assert.equal(finish.reason, 'length');
      assert.equal(finish.usage.completionTokens, maxTokens);
      const ids = bench.tokens('request 1').map(({ tokenId }) => tokenId);
      assert.equal(ids.length, maxTokens);
      const whole = new TextDecoder().decode(
        Uint8Array.from(ids.flatMap((id) => [...tokenBytes(id)])),
      );
      const pieces = bench
        .of('request 1')
        .flatMap((event) => (event.type === 'decision' ? [] : event.pieces));
      assert.equal(pieces.map(({ text }) => text).join(''), whole);
    }
  });

  it('is by a stop string, which no piece contains', async () => {
    const bench = new EngineBench();
    const request = requestOf(promptOf(1, 5), { stop: ['END', 'STOP'] });
    const script = writes(idsOf('a STOP b</think>One. STOP two'));
    const finish = await bench.submit({ request, script });
    assert.equal(finish.reason, 'stop');
    assert.equal(finish.stopString, 'STOP');
    assert.equal(bench.text('request 1', 'reasoning'), 'a STOP b');
    assert.equal(bench.text('request 1', 'answer'), 'One. ');
    assert.equal(bench.tokens('request 1').length, idsOf('a STOP b</think>One. STOP').length);
  });

  it('is by a stop string that was held back as a possible tag until the maximum', async () => {
    const bench = new EngineBench();
    const thinking = { ...THINKING, start: 'outside' } as const;
    const request = requestOf(promptOf(1, 5), { stop: ['<t'], maxTokens: 3, thinking });
    const finish = await bench.submit({ request, script: writes(bytesOf('<th')) });
    assert.deepEqual([finish.reason, finish.stopString], ['stop', '<t']);
    assert.equal(bench.text('request 1', 'answer'), '');
  });

  it('is an error at once for a request that cannot be run', async () => {
    const bench = new EngineBench({ slotCapacity: 32 });
    const cases = [
      [requestOf([]), /no tokens/],
      [requestOf(promptOf(1, 20), { maxTokens: 13 }), /20 prompt tokens and 13 .* 32 positions/],
      [requestOf(promptOf(1, 20), { maxTokens: 0 }), /At least 1 token/],
    ] as const;
    for (const [request, message] of cases) {
      const finish = await bench.submit({ request, script: writes(DIRECT) });
      assert.equal(finish.reason, 'error');
      assert.match(finish.message ?? '', message);
      assert.deepEqual(bench.of(request.id), [finish]);
    }
    assert.equal(bench.runner.calls.length, 0);
    const fits = requestOf(promptOf(2, 20), { maxTokens: 12 });
    const finish = await bench.submit({ request: fits, script: writes(idsOf('a'.repeat(50))) });
    assert.equal(finish.usage.completionTokens, 12);
  });
});

describe('Engine: usage, timing and log-probabilities', () => {
  it('usage equals the ids sent and the positions computed', async () => {
    const bench = new EngineBench();
    const finish = await bench.submit({
      request: requestOf(promptOf(1, 21)),
      script: writes(THINKS),
    });
    const closeAt = THINKS.indexOf(CLOSE);
    assert.deepEqual(finish.usage, {
      promptTokens: 21,
      cachedTokens: 0,
      imageTokens: 0,
      completionTokens: THINKS.length + 1,
      reasoningTokens: closeAt + 1,
      preambleTokens: 0,
    });
    const prefilled = bench.runner.calls.reduce(
      (sum, call) => sum + (call.kind === 'prefill' ? call.chunk.tokenIds.length : 0),
      0,
    );
    const decoded = bench.runner.calls.filter(({ kind }) => kind === 'decode').length;
    assert.equal(prefilled, 21);
    assert.equal(decoded, THINKS.length, 'the last token is not fed back');
  });

  it('times add up', async () => {
    const bench = new EngineBench();
    const { timing } = await bench.submit({
      request: requestOf(promptOf(1, 21)),
      script: writes(THINKS),
    });
    assert.ok(timing.firstTokenMs !== null && timing.firstAnswerMs !== null);
    assert.ok(timing.queueMs >= 0 && timing.prefillMs > 0);
    assert.ok(timing.firstTokenMs >= timing.queueMs + timing.prefillMs);
    assert.ok(timing.firstAnswerMs > timing.firstTokenMs);
    assert.equal(timing.thinkingMs, timing.firstAnswerMs - timing.firstTokenMs);
    assert.equal(timing.firstTokenMs + timing.decodeMs, timing.totalMs);
  });

  it('log-probabilities are the log softmax of the raw logits, forced tokens included', async () => {
    const bench = new EngineBench();
    const script: Script = (generated) => {
      const closed = generated.indexOf(CLOSE);
      if (closed < 0) return { tokenId: 97, margin: 1 + generated.length / 3 };
      return bytesOf('Yes.')[generated.length - closed - 1] ?? EOS;
    };
    const request = requestOf(promptOf(1, 5), {
      topLogprobs: 5,
      thinking: { ...THINKING, budget: 4 },
      sampling: { ...SAMPLING, temperature: 0.5, topP: 0.9, repetitionPenalty: 1.2, seed: 3 },
      maxTokens: 30,
    });
    await bench.submit({ request, script });
    const generated: number[] = [];
    const tokens = bench.tokens('request 1');
    assert.ok(tokens.some(({ forced }) => forced));
    for (const { tokenId, logprob, topLogprobs } of tokens) {
      const logits = [...bench.runner.logitsAfter(1, generated)];
      const max = Math.max(...logits);
      const total = max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0));
      const of = (id: number): number => (logits[id] ?? Number.NaN) - total;
      assert.ok(Math.abs((logprob ?? 0) - of(tokenId)) < 1e-9);
      const top = [...logits.keys()].sort((a, b) => of(b) - of(a) || a - b).slice(0, 5);
      assert.deepEqual(
        topLogprobs?.map((entry) => entry.tokenId),
        top,
      );
      for (const entry of topLogprobs ?? [])
        assert.ok(Math.abs(entry.logprob - of(entry.tokenId)) < 1e-9);
      generated.push(tokenId);
    }
  });

  it('log-probabilities are null unless asked for, and have no alternatives where 0 are', async () => {
    for (const topLogprobs of [null, 0]) {
      const bench = new EngineBench();
      const request = requestOf(promptOf(1, 5), { topLogprobs });
      await bench.submit({ request, script: writes(DIRECT) });
      for (const token of bench.tokens('request 1')) {
        assert.equal(token.logprob === null, topLogprobs === null);
        assert.deepEqual(token.topLogprobs, topLogprobs === null ? null : []);
      }
    }
  });
});

describe('Engine: other requests', () => {
  const jobs = [
    { request: requestOf(promptOf(1, 30)), script: writes(THINKS) },
    { request: requestOf(promptOf(2, 3), { stop: ['o'] }), script: writes(DIRECT) },
    { request: requestOf(promptOf(3, 9), { maxTokens: 12 }), script: writes(THINKS) },
    {
      request: requestOf(promptOf(4, 17), {
        topLogprobs: 3,
        sampling: { ...SAMPLING, temperature: 1.5, topP: 0.95, seed: 11 },
      }),
      script: (generated: readonly number[]) => ({
        tokenId: THINKS[generated.length] ?? EOS,
        margin: 3,
      }),
    },
    {
      request: requestOf(promptOf(5, 1), { thinking: { ...THINKING, budget: 3 } }),
      script: (generated: readonly number[]) => (generated.includes(CLOSE) ? EOS : 98),
    },
    { request: requestOf(promptOf(6, 12)), script: writes(DIRECT) },
  ];

  it('change nothing in the events of a request, however they are staggered', async () => {
    const alone = new Map<string, unknown[]>();
    for (const job of jobs) {
      const bench = new EngineBench();
      await bench.submit(job);
      alone.set(job.request.id, untimed(bench.of(job.request.id)));
    }
    for (const [numSlots, every] of [
      [4, 1],
      [2, 3],
      [1, 2],
      [6, 5],
    ] as const) {
      const rest = jobs.slice(1);
      const finishes: Promise<unknown>[] = [];
      const bench = new EngineBench({
        numSlots,
        onCall: (_, index) => {
          const job = index % every === 0 ? rest.shift() : undefined;
          if (job !== undefined) finishes.push(bench.submit(job));
        },
      });
      const [first] = jobs;
      if (first !== undefined) finishes.push(bench.submit(first));
      for (let done = 0; done < finishes.length; done++) await finishes[done];
      assert.equal(finishes.length, jobs.length, 'all were submitted while others ran');
      for (const { request } of jobs) {
        assert.deepEqual(untimed(bench.of(request.id)), alone.get(request.id), `${numSlots} slots`);
      }
    }
  });
});
