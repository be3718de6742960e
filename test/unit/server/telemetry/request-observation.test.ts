import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequestLog } from '../../../../src/server/telemetry/request-log.ts';
import {
  FakeEngineClient,
  finishEvent,
  scriptedEvents,
} from '../../../helpers/fake-engine-client.ts';
import { buildTestApp, postChat } from '../../../helpers/test-app.ts';

/** Samples of the exposition: `name{labels}` without the prefix -> value. */
async function samples(metrics: { expose(): Promise<string> }): Promise<Map<string, number>> {
  const lines = (await metrics.expose())
    .split('\n')
    .filter((line) => line !== '' && line[0] !== '#');
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at).replace('thinkgate_', ''), Number(line.slice(at + 1))];
    }),
  );
}

test('counts a thinking request once in every metric', async () => {
  const { app, metrics } = await buildTestApp();
  await postChat(app);
  const seen = await samples(metrics);
  const expected = {
    'request_success_total{finished_reason="stop"}': 1,
    prompt_tokens_total: 5,
    generation_tokens_total: 7,
    'decisions_total{requested="auto",mode="think",source="model"}': 1,
    thinking_probability_count: 1,
    thinking_probability_sum: 0.75,
    'thinking_tokens_sum{mode="think"}': 4,
    'answer_tokens_sum{mode="think"}': 3,
    'thinking_ended_total{ended_by="natural"}': 1,
    empty_answers_total: 0,
    time_to_first_token_seconds_count: 1,
    'time_to_first_answer_token_seconds_count{mode="think"}': 1,
    inter_token_latency_seconds_count: 6,
    e2e_request_latency_seconds_count: 1,
    request_queue_time_seconds_sum: 0.001,
    request_prefill_time_seconds_sum: 0.003,
    request_decode_time_seconds_sum: 0.007,
    request_inference_time_seconds_sum: 0.007,
    request_time_per_output_token_seconds_sum: 0.007 / 6,
    prompt_tokens_cached_total: 2,
    request_prompt_tokens_sum: 5,
    request_generation_tokens_sum: 7,
    request_params_max_tokens_sum: 251,
    thinking_seconds_sum: 0.006,
    thinking_budget_used_ratio_count: 0,
    loop_breaks_total: 0,
    forced_tokens_total: 0,
    image_preprocess_seconds_count: 0,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(seen.get(name), value, name);
});

test('counts a streamed request like one that is not streamed', async () => {
  const counts = async (stream: boolean): Promise<(readonly [string, number])[]> => {
    const { app, metrics } = await buildTestApp();
    await postChat(app, { stream });
    // Memory, sums and buckets of durations differ from run to run; how often each was observed must not.
    return [...(await samples(metrics))].filter(([name]) => !/_(sum|bucket|bytes)/.test(name));
  };
  assert.deepEqual(await counts(true), await counts(false));
});

test('counts an answer of white space alone as empty', async () => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, { answer: [' ', '\n'] }),
  );
  const { app, metrics } = await buildTestApp({ engine });
  await postChat(app);
  const seen = await samples(metrics);
  assert.equal(seen.get('empty_answers_total'), 1);
  assert.equal(seen.get('time_to_first_answer_token_seconds_count{mode="think"}'), undefined);
});

test('counts rejections and failures by error code and not as success', async () => {
  const engine = new FakeEngineClient(async function* (request) {
    yield finishEvent(request, { reason: 'error', message: 'no' });
  });
  const { app, metrics } = await buildTestApp({ engine });
  await postChat(app, { temperature: 9 });
  await postChat(app, { model: 'x' });
  await postChat(app);
  await postChat(app, { stream: true });
  const seen = await samples(metrics);
  assert.equal(seen.get('request_failure_total{code="invalid_value"}'), 1);
  assert.equal(seen.get('request_failure_total{code="model_not_found"}'), 1);
  assert.equal(seen.get('request_failure_total{code="engine_error"}'), 2);
  assert.equal(seen.get('request_success_total{finished_reason="stop"}'), 0);
});

test('counts requests that the router rejects', async () => {
  const { app, metrics } = await buildTestApp();
  await app.inject({ method: 'GET', url: '/nowhere' });
  await app.inject({ method: 'GET', url: '/v1/chat/completions' });
  const seen = await samples(metrics);
  assert.equal(seen.get('request_failure_total{code="route_not_found"}'), 1);
  assert.equal(seen.get('request_failure_total{code="method_not_allowed"}'), 1);
  assert.equal(seen.get('request_failure_total{code="engine_error"}'), 0);
});

test('logs a request in one entry that explains it and holds none of its text', async () => {
  const { app, log } = await buildTestApp();
  await postChat(app, {
    stream: true,
    thinking_budget: 50,
    max_tokens: 100,
    thinking_bias: -1.5,
    thinking_threshold: 0.4,
    thinking_extensions: 1,
    seed: 7,
    stop: 'END',
  });
  assert.equal(log.length, 1);
  const [entry] = log;
  assert.ok(entry !== undefined);
  const { ms, request_id, completion_id, ...rest } = entry;
  assert.deepEqual(rest, {
    key_id: null,
    trace_id: null,
    quota_fallback: false,
    model: 'test-model',
    status: 200,
    error: null,
    stream: true,
    requested: 'auto',
    asked_by: ['thinking_budget'],
    decision: 'think',
    source: 'model',
    p_think: 0.75,
    p_think_steered: 0.75,
    residual: 0.01,
    holdout: false,
    holdout_arm: null,
    num_choices: 1,
    strategy: null,
    generations: [],
    ended_by: 'natural',
    extensions: 0,
    loop_breaks: 0,
    finish_reason: 'stop',
    budget: { asked: 50, effective: 50, floor: 25, max_tokens: 100 },
    decision_bias: { request: -1.5, policy: 0, load: 0, threshold: 0.4 },
    controls: { extensions: 1, break_loops: true, stop_in_thinking: false, num_stop: 1 },
    sampling: {
      temperature: 0.2,
      topP: 0.9,
      topK: 20,
      minP: 0,
      repetitionPenalty: 1.1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      seed: 7,
      numBiased: 0,
    },
    tokens: { prompt: 5, image: 0, cached: 2, preamble: 0, reasoning: 4, answer: 3, forced: 0 },
  });
  assert.match(request_id, /^[0-9a-f-]{36}$/);
  assert.match(String(completion_id), /^chatcmpl-/);
  assert.deepEqual([ms.queue, ms.image, ms.prefill, ms.thinking], [1, 2, 3, 6]);
  assert.ok(Number(ms.first_token) <= Number(ms.first_answer));
  assert.ok(Number(ms.first_answer) <= ms.total);
  assert.doesNotMatch(JSON.stringify(entry), /Hello|Forty|see\./);
});

test('counts overridden decisions by source, and forced tokens', async () => {
  const sources = ['model', 'load', 'request', 'policy', 'load'] as const;
  let index = 0;
  const engine = new FakeEngineClient(async function* (request) {
    const source = sources[index++] ?? 'model';
    for await (const event of scriptedEvents(request, { decision: { source } })) {
      yield event.type === 'token' && event.tokenId === 299 ? { ...event, forced: true } : event;
    }
  });
  const { app, metrics, log } = await buildTestApp({ engine });
  for (const _source of sources) await postChat(app);
  // Forced by the request, and by the budget: only the second takes a choice away.
  await postChat(app, { thinking_mode: 'think' });
  const plain = await buildTestApp();
  await postChat(plain.app, { max_tokens: 4 });
  const seen = await samples(metrics);
  assert.equal(seen.get('decisions_changed_total{by="load"}'), 2);
  assert.equal(seen.get('decisions_changed_total{by="request"}'), 1);
  assert.equal(seen.get('decisions_changed_total{by="policy"}'), 1);
  assert.equal(seen.get('decisions_changed_total{by="model"}'), undefined);
  assert.equal(seen.get('forced_tokens_total'), 6);
  assert.equal(log[0]?.tokens.forced, 1);
  assert.equal(plain.log[0]?.requested, 'auto');
  assert.equal(plain.log[0]?.decision, 'fast');
});

test('logs one line of JSON per request, and internal errors at level error', () => {
  const lines: string[] = [];
  const log = createRequestLog('info', { write: (line: string) => void lines.push(line) });
  log.failure('id-1', new Error('broken'));
  const [line] = lines;
  assert.equal(lines.length, 1);
  assert.ok(line?.endsWith('\n'));
  const entry = JSON.parse(line ?? '');
  assert.equal(entry.level, 50);
  assert.equal(entry.request_id, 'id-1');
  assert.equal(entry.err.message, 'broken');
  assert.ok(!Number.isNaN(Date.parse(entry.time)));
});

test('logs and counts extensions and loop breaks', async () => {
  const engine = new FakeEngineClient((request) =>
    scriptedEvents(request, {
      finish: { thinkingEnd: 'loop', interventions: { extensions: 2, loopBreaks: 1 } },
    }),
  );
  const { app, log, metrics } = await buildTestApp({ engine });
  await postChat(app, { thinking_extensions: 3 });
  assert.deepEqual(
    [log[0]?.controls.extensions, log[0]?.extensions, log[0]?.loop_breaks],
    [3, 2, 1],
  );
  await postChat(app, { n: 2 });
  assert.deepEqual([log[1]?.extensions, log[1]?.generations[1]?.extensions], [4, 2]);
  const seen = await samples(metrics);
  assert.equal(seen.get('thinking_extensions_total'), 6);
  assert.equal(seen.get('loop_breaks_total'), 3);
});
