import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drawArm, holdoutProblem, secureRandom } from '../../../../src/server/request/holdout.ts';
import { RequestObservation } from '../../../../src/server/telemetry/request-observation.ts';
import { DEFAULT_THINKING_POLICY } from '../../../helpers/default-settings.ts';
import { finishEvent, scriptedEvents, tokenEvent } from '../../../helpers/fake-engine-client.ts';
import { buildTestApp, parseEvents, postChat, type TestApp } from '../../../helpers/test-app.ts';

/** An app whose every draw falls to the hold-out, or to none. */
function appThatDraws(random: number, share = 0.05): Promise<TestApp> {
  return buildTestApp({ settings: { holdout: { share, random: () => random } } });
}

describe('A request drawn for the hold-out', () => {
  it('is made to think, and says so in the reply, the headers and the log', async () => {
    const { app, engine, formatter, log } = await appThatDraws(0.049);
    const reply = await postChat(app, { thinking_budget: 50, thinking_bias: -3 });
    assert.deepEqual(
      [engine.lastRequest.thinking.requested, engine.lastRequest.thinking.source],
      ['think', 'holdout'],
    );
    // The prompt is the one of the mode, and nobody leans on a choice that is not made.
    assert.equal(formatter.calls.at(-1)?.mode, 'think');
    assert.equal(engine.lastRequest.thinking.decisionBias, undefined);
    assert.equal(engine.lastRequest.thinking.budget, 50);
    assert.equal(engine.lastRequest.sampling.temperature, 0.6);
    const { thinking } = reply.json().choices[0];
    assert.deepEqual(
      [thinking.requested, thinking.mode, thinking.holdout, thinking.p_think],
      ['auto', 'think', true, null],
    );
    assert.equal(reply.headers['x-thinking-holdout'], 'true');
    assert.equal(reply.headers['x-thinking-requested'], 'auto');
    assert.deepEqual(
      [log[0]?.holdout, log[0]?.holdout_arm, log[0]?.requested],
      [true, 'think', 'auto'],
    );
  });

  it('says so in a stream, from the first chunk on', async () => {
    const { app } = await appThatDraws(0);
    const reply = await postChat(app, { stream: true });
    const chunks = parseEvents(reply.body) as { choices?: [{ thinking?: { holdout: boolean } }] }[];
    const marks = chunks.flatMap(({ choices }) => choices?.[0].thinking?.holdout ?? []);
    assert.deepEqual(marks, [true, true]);
    assert.equal(reply.headers['x-thinking-holdout'], 'true');
  });
});

describe('A request that is not drawn', () => {
  it('goes as it would, unmarked, and belongs to the other arm', async () => {
    const { app, engine, log } = await appThatDraws(0.05);
    const reply = await postChat(app);
    assert.equal(engine.lastRequest.thinking.requested, 'auto');
    assert.equal(reply.json().choices[0].thinking.holdout, false);
    assert.equal(reply.headers['x-thinking-holdout'], undefined);
    assert.deepEqual([log[0]?.holdout, log[0]?.holdout_arm], [false, 'auto']);
  });
});

describe('No part of the hold-out', () => {
  const NONE: readonly (readonly [string, Record<string, unknown>])[] = [
    ['thinking that was asked for', { thinking_mode: 'think' }],
    ['a direct answer that was asked for', { thinking_mode: 'fast' }],
    ['an effort', { reasoning_effort: 'low' }],
    ['a budget of nothing', { thinking_budget: 0 }],
    ['too little room to think', { max_tokens: 8 }],
    ['a budget too small to think', { thinking_budget: 2 }],
    [
      'a reply that was begun',
      {
        continue_final_message: true,
        messages: [
          { role: 'user', content: 'Hello' },
          { role: 'assistant', content: 'Forty-' },
        ],
      },
    ],
  ];
  for (const [what, fields] of NONE) {
    it(`is ${what}`, async () => {
      const { app, engine, log } = await appThatDraws(0, 1);
      const reply = await postChat(app, fields);
      assert.equal(reply.statusCode, 200, reply.body);
      assert.notEqual(engine.lastRequest.thinking.source, 'holdout');
      assert.equal(reply.headers['x-thinking-holdout'], undefined);
      assert.equal(log[0]?.holdout_arm, null);
    });
  }

  it("is what the operator's own mode decides", async () => {
    for (const mode of ['think', 'fast'] as const) {
      const { app, engine } = await buildTestApp({
        settings: {
          holdout: { share: 1, random: () => 0 },
          thinking: { ...DEFAULT_THINKING_POLICY, mode },
        },
      });
      await postChat(app);
      assert.equal(engine.lastRequest.thinking.source, 'policy');
    }
  });

  it('is a count of tokens', async () => {
    const { app, formatter } = await appThatDraws(0, 1);
    const reply = await app.inject({
      method: 'POST',
      url: '/tokenize',
      payload: { model: 'test-model', messages: [{ role: 'user', content: 'Hello' }] },
    });
    assert.equal(reply.statusCode, 200, reply.body);
    assert.deepEqual(
      formatter.calls.map(({ mode }) => mode),
      ['auto'],
    );
  });

  it('is anything where no share is set', async () => {
    const { app, log } = await buildTestApp();
    await postChat(app);
    assert.equal(log[0]?.holdout_arm, null);
  });
});

describe('The draw', () => {
  it('falls to the hold-out with the share that was set, and draws nothing for others', () => {
    let draws = 0;
    const holdout = {
      share: 0.05,
      random: () => {
        draws++;
        return secureRandom();
      },
    };
    const auto = { mode: 'auto', source: 'request' } as const;
    const arms = Array.from({ length: 20_000 }, () => drawArm(auto, holdout));
    const share = arms.filter((arm) => arm === 'think').length / arms.length;
    // Six standard errors.
    assert.ok(Math.abs(share - 0.05) < 0.0093, `${share}`);
    assert.equal(draws, 20_000);
    assert.equal(drawArm({ mode: 'fast', source: 'budget' }, holdout), null);
    assert.equal(draws, 20_000);
  });

  it('needs both modes of the protocol', () => {
    const modes = { auto: {}, think: {}, fast: {} };
    assert.equal(holdoutProblem({ name: 'p', modes }), null);
    assert.match(holdoutProblem({ name: 'p', modes: { think: {}, fast: {} } }) ?? '', /no auto/);
    assert.match(holdoutProblem({ name: 'p', modes: { auto: {}, fast: {} } }) ?? '', /no think/);
  });
});

describe('The metrics of the hold-out', () => {
  it('claim nothing without one', async () => {
    const { app, metrics } = await buildTestApp();
    await postChat(app);
    assert.doesNotMatch(await metrics.expose(), /holdout|saved/);
  });

  it('show the arms from the start, and what is saved once there is enough to tell', async () => {
    let index = 0;
    const random = (): number => (index++ % 2 === 0 ? 0 : 1);
    const { app, metrics, engine } = await buildTestApp({
      settings: { holdout: { share: 0.5, random } },
    });
    engine.script = async function* (request) {
      const thinks = request.thinking.requested === 'think';
      yield* scriptedEvents(request, {
        reasoning: thinks ? ['one ', 'two ', 'three'] : [],
        decision: thinks ? { source: 'holdout' } : { mode: 'fast' },
      });
    };
    await postChat(app);
    await postChat(app);
    const early = await metrics.expose();
    assert.match(early, /^thinkgate_holdout_share 0.5$/m);
    assert.match(early, /^thinkgate_holdout_requests_total\{arm="think"\} 1$/m);
    assert.match(early, /^thinkgate_holdout_tokens_total\{arm="auto"\} 3$/m);
    assert.doesNotMatch(early, /^thinkgate_saved/m);
    for (let more = 0; more < 58; more++) await postChat(app);
    const late = await metrics.expose();
    // Seven tokens with three of thinking and its tag against three without.
    for (const bound of ['estimate', 'lower', 'upper']) {
      assert.ok(late.includes(`\nthinkgate_saved_tokens_per_request{bound="${bound}"} 4\n`));
    }
    assert.match(late, /^thinkgate_saved_seconds_per_request\{bound="lower"\} \S+$/m);
    assert.match(late, /^thinkgate_decisions_total\{.*mode="think",source="holdout"\} 30$/m);
    assert.doesNotMatch(late, /decisions_changed_total\{by="holdout"/);
  });

  it('count a client that left with what it had cost', async () => {
    const { app, metrics, engine } = await appThatDraws(0);
    await postChat(app);
    const observation = new RequestObservation({
      metrics,
      requestId: 'id',
      log: { write: () => undefined, failure: () => undefined, note: () => undefined },
    });
    observation.prepared({
      model: 'test-model',
      stream: true,
      numChoices: 1,
      request: engine.lastRequest,
      asked: { requested: 'auto', fields: [] },
      holdoutArm: 'think',
      isQuotaFallback: false,
      prepareMs: 1,
    });
    const observer = observation.observeGeneration();
    observer.see(tokenEvent('Hm', 'reasoning', engine.lastRequest));
    observer.see(tokenEvent('m', 'reasoning', engine.lastRequest));
    observation.end(499, 'client_closed_request');
    const text = await metrics.expose();
    assert.match(text, /^thinkgate_holdout_requests_total\{arm="think"\} 2$/m);
    assert.match(text, /^thinkgate_holdout_tokens_total\{arm="think"\} 9$/m);
  });

  it('count nothing of what broke', async () => {
    const { app, metrics, engine } = await appThatDraws(0);
    engine.script = async function* (request) {
      yield finishEvent(request, { reason: 'error', message: 'no' });
    };
    await postChat(app);
    assert.match(await metrics.expose(), /^thinkgate_holdout_requests_total\{arm="think"\} 0$/m);
  });
});
