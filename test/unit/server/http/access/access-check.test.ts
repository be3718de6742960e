import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessSettings } from '../../../../../src/server/http/access/access-check.ts';
import { KeyRing, parseApiKeys } from '../../../../../src/server/http/access/api-keys.ts';
import { DEFAULT_ACCESS } from '../../../../helpers/default-settings.ts';
import { buildTestApp, chatBody, type TestApp } from '../../../../helpers/test-app.ts';

const SECRET = 'sk-0123456789abcdef';
const METRICS_SECRET = 'sk-metrics-only-key';
const KEYS = new KeyRing(
  parseApiKeys(`team-a:${SECRET}\nprom:${METRICS_SECRET} scope=metrics`, 'test'),
);

function appWith(access: Partial<AccessSettings>): Promise<TestApp> {
  return buildTestApp({ settings: { access: { ...DEFAULT_ACCESS, ...access } } });
}

const POSTS = ['/v1/chat/completions', '/v1/chat/completions/control'];

function post({ app }: TestApp, url: string, headers: Record<string, string> = {}) {
  return app.inject({ method: 'POST', url, headers, payload: chatBody() });
}

test('without a key every route except health, readiness and version is a 401 that explains itself', async () => {
  const app = await appWith({ keys: KEYS });
  for (const url of [...POSTS, '/v1/nothing']) {
    const reply = await post(app, url);
    assert.equal(reply.statusCode, 401, url);
    assert.equal(reply.headers['www-authenticate'], 'Bearer');
    assert.equal(reply.headers['x-should-retry'], 'false');
    assert.deepEqual(reply.json().error, {
      message: 'An API key is needed, as `Authorization: Bearer KEY` or `x-api-key: KEY`.',
      type: 'authentication_error',
      param: null,
      code: 'invalid_api_key',
    });
  }
  for (const url of ['/v1/models', '/v1/models/test-model', '/metrics', '/v1/nothing']) {
    assert.equal((await app.app.inject(url)).statusCode, 401, url);
  }
  for (const url of ['/health', '/ready', '/version']) {
    assert.equal((await app.app.inject(url)).statusCode, 200, url);
  }
  assert.equal(app.engine.requests.length, 0);
  const exposition = await app.metrics.expose();
  assert.match(exposition, /request_failure_total\{code="invalid_api_key"\} 7/);
});

test('a key is accepted in the headers of both SDKs', async () => {
  const app = await appWith({ keys: KEYS });
  for (const headers of [
    { authorization: `Bearer ${SECRET}` },
    { authorization: `bearer  ${SECRET}` },
    { 'x-api-key': SECRET },
  ]) {
    const reply = await post(app, '/v1/chat/completions', headers);
    assert.equal(reply.statusCode, 200, reply.body);
    assert.equal(reply.headers['www-authenticate'], undefined);
  }
});

test('a wrong key is a 401 that does not repeat the key', async () => {
  const app = await appWith({ keys: KEYS });
  for (const headers of [
    { authorization: 'Bearer sk-wrong-wrong-wrong' },
    { authorization: `Basic ${SECRET}` },
    { authorization: `Bearer ${SECRET}x` },
    { authorization: 'Bearer' },
    { 'x-api-key': `${SECRET},${SECRET}` },
    { 'x-api-key': '' },
  ]) {
    const reply = await post(app, '/v1/chat/completions', headers as Record<string, string>);
    assert.equal(reply.statusCode, 401);
    assert.equal(reply.json().error.message, 'The API key is not known to this server.');
  }
});

test('the body of an unauthenticated request is not read', async () => {
  const app = await appWith({ keys: KEYS });
  const reply = await app.app.inject({
    method: 'POST',
    url: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    payload: '{"model":',
  });
  assert.equal(reply.statusCode, 401);
});

test('a metrics key gives access to the metrics only', async () => {
  const app = await appWith({ keys: KEYS });
  const headers = { authorization: `Bearer ${METRICS_SECRET}` };
  assert.equal((await app.app.inject({ url: '/metrics', headers })).statusCode, 200);
  const reply = await post(app, '/v1/chat/completions', headers);
  assert.equal(reply.statusCode, 403);
  assert.equal(reply.json().error.code, 'permission_denied');
  assert.equal(reply.json().error.type, 'permission_error');
});

test('metrics need no key when the operator opens them', async () => {
  const app = await appWith({ keys: KEYS, openMetrics: true });
  assert.equal((await app.app.inject('/metrics')).statusCode, 200);
  assert.equal((await app.app.inject('/v1/models')).statusCode, 401);
});

test('without keys a foreign host name is rejected, so that no web page can use a browser for access', async () => {
  const app = await appWith({});
  const call = (host: string) => app.app.inject({ url: '/v1/models', headers: { host } });
  for (const host of ['localhost:8000', '127.0.0.1', '127.9.8.7:1', '[::1]:8000', 'a.localhost']) {
    assert.equal((await call(host)).statusCode, 200, host);
  }
  for (const host of [
    'evil.example:8000',
    '10.0.0.1',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
  ]) {
    const reply = await call(host);
    assert.equal(reply.statusCode, 403, host);
    assert.equal(reply.json().error.code, 'host_not_allowed');
  }
  const insisted = await appWith({ allowAnonymous: true });
  const reply = await insisted.app.inject({ url: '/v1/models', headers: { host: 'gpu.internal' } });
  assert.equal(reply.statusCode, 200);
});

test('a key over its rate is told when to retry; other keys are not affected', async () => {
  const keys = new KeyRing(
    parseApiKeys(`a:${SECRET}\nb:${METRICS_SECRET} requests-per-minute=none`, 'test'),
  );
  const app = await appWith({ keys, quotas: { ...DEFAULT_ACCESS.quotas, requestsPerMinute: 2 } });
  const send = (key: string) => post(app, '/v1/chat/completions', { 'x-api-key': key });
  const first = await send(SECRET);
  assert.equal(first.statusCode, 200);
  assert.equal(first.headers['x-ratelimit-limit-requests'], '2');
  assert.equal(first.headers['x-ratelimit-remaining-requests'], '1');
  assert.equal((await send(SECRET)).statusCode, 200);
  const refused = await send(SECRET);
  assert.equal(refused.statusCode, 429);
  assert.equal(refused.json().error.type, 'rate_limit_error');
  assert.equal(refused.headers['x-ratelimit-remaining-requests'], '0');
  const waitMs = Number(refused.headers['retry-after-ms']);
  assert.ok(waitMs > 0 && waitMs <= 30_000, String(waitMs));
  assert.equal(refused.headers['retry-after'], String(Math.ceil(waitMs / 1000)));
  assert.equal(refused.headers['x-should-retry'], undefined);
  for (let index = 0; index < 5; index += 1) {
    const reply = await send(METRICS_SECRET);
    assert.equal(reply.statusCode, 200);
    assert.equal(reply.headers['x-ratelimit-limit-requests'], undefined);
  }
});

test('a web page of another origin may read a reply only if its origin is listed', async () => {
  const origin = 'https://app.example.com';
  const preflight = {
    method: 'OPTIONS',
    url: '/v1/chat/completions',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  } as const;
  const closed = await appWith({ keys: KEYS });
  const refused = await closed.app.inject(preflight);
  assert.equal(refused.headers['access-control-allow-origin'], undefined);
  const open = await buildTestApp({
    settings: { access: { ...DEFAULT_ACCESS, keys: KEYS }, corsOrigins: [origin] },
  });
  const allowed = await open.app.inject(preflight);
  assert.equal(allowed.statusCode, 204);
  assert.equal(allowed.headers['access-control-allow-origin'], origin);
  const stranger = await open.app.inject({
    ...preflight,
    headers: { ...preflight.headers, origin: 'https://evil.example' },
  });
  assert.notEqual(stranger.headers['access-control-allow-origin'], 'https://evil.example');
  const failed = await open.app.inject({ url: '/v1/models', headers: { origin } });
  assert.equal(failed.statusCode, 401);
  assert.equal(failed.headers['access-control-allow-origin'], origin);
  assert.match(String(failed.headers['access-control-expose-headers']), /x-request-id/);
});
