import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineUnavailableError } from '../../../../src/server/engines/engine-client.ts';
import { DEFAULT_THINKING_POLICY } from '../../../helpers/default-settings.ts';
import { FakeEngineClient } from '../../../helpers/fake-engine-client.ts';
import { buildTestApp, chatBody, postChat, TEST_MANIFEST } from '../../../helpers/test-app.ts';

test('GET /v1/models lists the model with its capabilities, then its names with a mode', async () => {
  const { app } = await buildTestApp();
  const reply = await app.inject('/v1/models');
  const { data, ...list } = reply.json();
  assert.deepEqual(list, {
    object: 'list',
    has_more: false,
    first_id: 'test-model',
    last_id: 'test-model:fast',
  });
  const [{ created, created_at: createdAt, ...model }, ...aliases] = data;
  assert.ok(Number.isInteger(created));
  assert.equal(Date.parse(createdAt), created * 1000);
  assert.deepEqual(model, {
    id: 'test-model',
    object: 'model',
    owned_by: 'thinkgate',
    root: 'test-model',
    parent: null,
    max_model_len: 256,
    context_length: 256,
    modalities: { input: ['text', 'image'], output: ['text'] },
    thinking: {
      modes: ['auto', 'think', 'fast'],
      default_mode: 'auto',
      profiles: { economy: { threshold: 0.8 } },
    },
    precision: 'fp32',
    kv_cache: 'float32',
    type: 'model',
    display_name: 'test-model',
  });
  assert.deepEqual(
    aliases.map((alias: typeof model) => [alias.id, alias.parent, alias.thinking.default_mode]),
    [
      ['test-model:auto', 'test-model', 'auto'],
      ['test-model:think', 'test-model', 'think'],
      ['test-model:fast', 'test-model', 'fast'],
    ],
  );
  for (const { id } of data) {
    assert.equal((await app.inject(`/v1/models/${encodeURIComponent(id)}`)).json().id, id);
    assert.equal((await postChat(app, { model: id })).statusCode, 200);
  }
});

test('a locked mode leaves only its own name in the list', async () => {
  const thinking = { ...DEFAULT_THINKING_POLICY, mode: 'fast' as const, lock: true };
  const { app } = await buildTestApp({ settings: { thinking } });
  const { data } = (await app.inject('/v1/models')).json();
  assert.deepEqual(
    data.map(({ id }: { id: string }) => id),
    ['test-model', 'test-model:fast'],
  );
  assert.deepEqual(data[0].thinking.modes, ['fast']);
  assert.equal(data[0].thinking.default_mode, 'fast');
});

test('a text-only model lists text as its only input', async () => {
  const { app } = await buildTestApp({ manifest: { vision: null } });
  const model = (await app.inject('/v1/models/test-model')).json();
  assert.deepEqual(model.modalities.input, ['text']);
});

test("GET /v1/models/:id of an unknown model is a 404 in OpenAI's shape", async () => {
  const { app } = await buildTestApp();
  const reply = await app.inject('/v1/models/other');
  assert.equal(reply.statusCode, 404);
  assert.equal(reply.json().error.code, 'model_not_found');
});

test('/health always answers; /ready reports the state of the engine', async () => {
  const { app, engine } = await buildTestApp();
  for (const state of ['loading', 'restarting', 'failed', 'ready'] as const) {
    engine.state = state;
    assert.equal((await app.inject('/health')).statusCode, 200);
    const ready = await app.inject('/ready');
    assert.equal(ready.statusCode, state === 'ready' ? 200 : 503);
    const engines = { ready: state === 'ready' ? 1 : 0, total: 1 };
    assert.deepEqual(ready.json(), { status: state, model: 'test-model', engines });
  }
});

test('/ready counts the ready engines, and is 200 while one is ready', async () => {
  const { app, engine } = await buildTestApp();
  const status = engine.status();
  engine.engines = () => [status, { ...status, state: 'restarting' }, status];
  const ready = await app.inject('/ready');
  assert.equal(ready.statusCode, 200);
  assert.deepEqual(ready.json().engines, { ready: 2, total: 3 });
});

test('before the engine is ready a chat is rejected with a retry time, before its images are read', async () => {
  const { app, engine, formatter } = await buildTestApp();
  engine.state = 'loading';
  const reply = await postChat(app);
  assert.equal(reply.statusCode, 503);
  assert.equal(reply.json().error.code, 'engine_not_ready');
  assert.equal(reply.json().error.type, 'unavailable_error');
  assert.equal(reply.headers['retry-after'], '2');
  assert.equal(reply.headers['retry-after-ms'], '2000');
  assert.equal(formatter.calls.length, 0);
});

test("a full queue is a 503 with the engine's retry time", async () => {
  const engine = new FakeEngineClient(() => {
    throw new EngineUnavailableError('queue_full', 1.5);
  });
  const { app } = await buildTestApp({ engine });
  for (const stream of [false, true]) {
    const reply = await postChat(app, { stream });
    assert.equal(reply.statusCode, 503);
    assert.equal(reply.json().error.code, 'queue_full');
    assert.equal(reply.headers['retry-after'], '2');
    assert.equal(reply.headers['retry-after-ms'], '1500');
  }
});

test('GET /version names the version', async () => {
  const { app } = await buildTestApp();
  assert.deepEqual((await app.inject('/version')).json(), { version: '1.2.3' });
});

test("GET /metrics is in Prometheus' format", async () => {
  const { app } = await buildTestApp();
  await postChat(app);
  const reply = await app.inject('/metrics');
  assert.match(String(reply.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(reply.body, /^thinkgate_request_success_total\{finished_reason="stop"\} 1$/m);
});

test('a short printable request id is echoed, any other is replaced', async () => {
  const { app, log } = await buildTestApp();
  const send = async (id: string) =>
    (await app.inject({ url: '/health', headers: { 'x-request-id': id } })).headers['x-request-id'];
  assert.equal(await send('trace-1:a/b'), 'trace-1:a/b');
  for (const bad of ['', 'a b', 'x'.repeat(129), 'ä', '{"a":1}']) {
    assert.match(String(await send(bad)), /^[0-9a-f-]{36}$/);
  }
  const reply = await app.inject({
    method: 'POST',
    url: '/v1/chat/completions',
    headers: { 'x-request-id': 'mine' },
    payload: chatBody(),
  });
  assert.equal(reply.headers['x-request-id'], 'mine');
  assert.equal(log[0]?.request_id, 'mine');
});

test('an unknown route is a 404 and a wrong method a 405 with the allowed methods', async () => {
  const { app } = await buildTestApp();
  const unknown = await app.inject('/v1/nothing?key=secret');
  assert.equal(unknown.statusCode, 404);
  assert.deepEqual(unknown.json().error, {
    message: 'There is no GET /v1/nothing on this server.',
    type: 'invalid_request_error',
    param: null,
    code: 'route_not_found',
  });
  const wrong = await app.inject({ method: 'GET', url: '/v1/chat/completions' });
  assert.equal(wrong.statusCode, 405);
  assert.equal(wrong.headers.allow, 'POST');
  assert.equal(wrong.json().error.code, 'method_not_allowed');
  const parametric = await app.inject({ method: 'DELETE', url: '/v1/models/test-model' });
  assert.equal(parametric.statusCode, 405);
  assert.equal(parametric.headers.allow, 'GET, HEAD');
});

const post = { method: 'POST', url: '/v1/chat/completions' } as const;

test('a body that is not JSON is a 400', async () => {
  const { app } = await buildTestApp();
  for (const payload of ['{"model":', '']) {
    const headers = { 'content-type': 'application/json' };
    const reply = await app.inject({ ...post, headers, payload });
    assert.equal(reply.statusCode, 400);
    assert.equal(reply.json().error.code, 'invalid_json');
    assert.doesNotMatch(reply.body, /position|Unexpected|stack/);
  }
});

test('a body of another content type is a 415', async () => {
  const { app } = await buildTestApp();
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    const reply = await app.inject({ ...post, headers: { 'content-type': type }, payload: 'x=1' });
    assert.equal(reply.statusCode, 415);
    assert.equal(reply.json().error.code, 'unsupported_media_type');
  }
});

test('a body beyond the limit is a 413 that names the limit', async () => {
  const { app } = await buildTestApp({ settings: { bodyLimitBytes: 200 } });
  const reply = await postChat(app, { user: 'x'.repeat(200) });
  assert.equal(reply.statusCode, 413);
  assert.equal(reply.json().error.code, 'body_too_large');
  assert.match(reply.json().error.message, /200 bytes/);
});

test('malformed URLs are rejected in the same shape', async () => {
  const { app } = await buildTestApp();
  const bad = await app.inject('/%E0%A4%A');
  assert.equal(bad.statusCode, 400);
  assert.equal(bad.json().error.code, 'invalid_request');
  assert.ok(bad.headers['x-request-id']);
  const long = await app.inject(`/v1/models/${'x'.repeat(200)}`);
  assert.equal(long.statusCode, 414);
  assert.equal(long.json().error.code, 'url_too_long');
});

test('a missing body is a 400', async () => {
  const { app } = await buildTestApp();
  const reply = await app.inject(post);
  assert.equal(reply.statusCode, 400);
  assert.equal(reply.json().error.message, 'The body is required.');
});

test('an unexpected failure is a 500 that reveals nothing and is logged for the operator', async () => {
  const engine = new FakeEngineClient(() => {
    throw new Error('secret /models/path');
  });
  const { app, failures, log } = await buildTestApp({ engine });
  const reply = await postChat(app);
  assert.equal(reply.statusCode, 500);
  assert.deepEqual(reply.json().error, {
    message: 'The server failed to answer this request.',
    type: 'server_error',
    param: null,
    code: 'internal_error',
  });
  assert.match(String(failures[0]), /secret/);
  assert.equal(log[0]?.error, 'internal_error');
});

test('a model whose default mode is fast answers requests without thinking fields', async () => {
  const thinking = { ...TEST_MANIFEST.thinking, modes: { fast: {} }, defaultMode: 'fast' as const };
  const { app, engine } = await buildTestApp({ manifest: { thinking } });
  assert.equal((await postChat(app)).statusCode, 200);
  assert.equal(engine.lastRequest.thinking.requested, 'fast');
  assert.equal(engine.lastRequest.thinking.source, 'policy');
});
