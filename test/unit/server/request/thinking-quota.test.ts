import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyRing, parseApiKeys } from '../../../../src/server/http/access/api-keys.ts';
import { DEFAULT_ACCESS, DEFAULT_THINKING_POLICY } from '../../../helpers/default-settings.ts';
import {
  buildTestApp,
  chatBody,
  type TestApp,
  type TestAppOptions,
} from '../../../helpers/test-app.ts';

const SECRET = 'sk-0123456789abcdef';
const OTHER = 'sk-fedcba9876543210';
const KEYS = new KeyRing(parseApiKeys(`team-a:${SECRET}\nteam-b:${OTHER} thinking-quota=none`, ''));

/** A fake generation thinks for four tokens, closing tag included; the quota is filled up again only by tomorrow. */
const ACCESS = {
  ...DEFAULT_ACCESS,
  keys: KEYS,
  quotas: { ...DEFAULT_ACCESS.quotas, thinkingTokens: 4, thinkingWindowSeconds: 86_400 },
};

function appWith(options: TestAppOptions = {}): Promise<TestApp> {
  return buildTestApp({ ...options, settings: { access: ACCESS, ...options.settings } });
}

function ask({ app }: TestApp, fields: Record<string, unknown> = {}, key = SECRET) {
  return app.inject({
    method: 'POST',
    url: '/v1/chat/completions',
    headers: { 'x-api-key': key },
    payload: chatBody(fields),
  });
}

/** Uses the quota up. */
async function spend(app: TestApp): Promise<void> {
  const reply = await ask(app, { thinking_mode: 'think' });
  assert.equal(reply.statusCode, 200, reply.body);
  assert.equal(reply.headers['x-ratelimit-limit-thinking-tokens'], '4');
  assert.equal(reply.headers['x-ratelimit-remaining-thinking-tokens'], '4');
}

async function fallbacks({ metrics }: TestApp): Promise<number> {
  const [, count] = /^thinkgate_quota_fallbacks_total (\d+)$/m.exec(await metrics.expose()) ?? [];
  return Number(count ?? 0);
}

test('once the quota is used up, auto is answered directly, and says why', async () => {
  const app = await appWith();
  await spend(app);
  for (const fields of [{}, { thinking_mode: 'auto' }, { thinking_budget: 100 }]) {
    const reply = await ask(app, fields);
    assert.equal(reply.statusCode, 200, reply.body);
    assert.equal(reply.headers['x-thinking-fallback'], 'quota');
    assert.equal(reply.headers['x-thinking-requested'], 'auto');
    assert.equal(reply.headers['x-ratelimit-remaining-thinking-tokens'], '0');
    assert.equal(app.engine.lastRequest.thinking.requested, 'fast');
    assert.equal(app.engine.lastRequest.thinking.source, 'policy');
    assert.equal(app.formatter.calls.at(-1)?.mode, 'fast');
  }
  assert.equal(await fallbacks(app), 3);
  const [first, second] = app.log;
  assert.deepEqual([first?.key_id, first?.quota_fallback], ['team-a', false]);
  assert.deepEqual([second?.key_id, second?.quota_fallback], ['team-a', true]);
});

test('asking for thinking is then a 429 that names the quota; fast answers go on', async () => {
  const app = await appWith();
  await spend(app);
  for (const [fields, param] of [
    [{ thinking_mode: 'think' }, 'thinking_mode'],
    [{ reasoning_effort: 'high' }, 'reasoning_effort'],
    [{ model: 'test-model:think' }, 'model'],
    [
      {
        messages: [
          { role: 'user', content: 'x' },
          { role: 'assistant', content: '', reasoning_content: 'Well' },
        ],
        continue_final_message: true,
      },
      'continue_final_message',
    ],
  ] as const) {
    const reply = await ask(app, fields);
    assert.equal(reply.statusCode, 429, reply.body);
    const { error } = reply.json();
    assert.equal(error.code, 'thinking_quota_exceeded');
    assert.equal(error.type, 'rate_limit_error');
    assert.equal(error.param, param);
    assert.match(error.message, /thinking quota of this key, 4 tokens in 86400 s/);
    assert.ok(Number(reply.headers['retry-after']) > 60);
    assert.equal(reply.headers['x-should-retry'], 'false');
  }
  const fast = await ask(app, { thinking_mode: 'fast' });
  assert.equal(fast.statusCode, 200);
  assert.equal(fast.headers['x-thinking-fallback'], undefined);
  assert.equal(await fallbacks(app), 0);
});

test('one key does not spend what another one has', async () => {
  const app = await appWith();
  await spend(app);
  const other = await ask(app, { thinking_mode: 'think' }, OTHER);
  assert.equal(other.statusCode, 200);
  assert.equal(other.headers['x-ratelimit-limit-thinking-tokens'], undefined);
});

test('a server that thinks by default falls back too, one that is locked to thinking refuses', async () => {
  const lenient = await appWith({
    settings: { thinking: { ...DEFAULT_THINKING_POLICY, mode: 'think' } },
  });
  await spend(lenient);
  assert.equal((await ask(lenient)).headers['x-thinking-fallback'], 'quota');
  const locked = await appWith({
    settings: { thinking: { ...DEFAULT_THINKING_POLICY, mode: 'think', lock: true } },
  });
  await spend(locked);
  assert.equal((await ask(locked)).json().error.code, 'thinking_quota_exceeded');
});

test('without keys all callers share the quota', async () => {
  const app = await appWith({ settings: { access: { ...ACCESS, keys: new KeyRing([]) } } });
  await spend(app);
  assert.equal((await ask(app, {}, 'anything')).headers['x-thinking-fallback'], 'quota');
  assert.equal(app.log[0]?.key_id, null);
});
