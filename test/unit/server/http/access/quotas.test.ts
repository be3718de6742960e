import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Quotas, TokenBucket } from '../../../../../src/server/http/access/quotas.ts';
import { ApiError } from '../../../../../src/server/http/errors.ts';

function clock(): { now: () => number; pass: (ms: number) => void } {
  let time = 1000;
  return { now: () => time, pass: (ms) => (time += ms) };
}

test('a bucket refills evenly and never exceeds its capacity', () => {
  const { now, pass } = clock();
  const bucket = new TokenBucket({ capacity: 10, windowMs: 1000 }, now);
  bucket.take(10);
  assert.equal(bucket.level, 0);
  assert.equal(bucket.msUntil(1), 100);
  pass(250);
  assert.equal(bucket.level, 2.5);
  assert.equal(bucket.msUntil(2), 0);
  pass(5000);
  assert.equal(bucket.level, 10);
});

test('a bucket below zero must refill first', () => {
  const { now, pass } = clock();
  const bucket = new TokenBucket({ capacity: 10, windowMs: 1000 }, now);
  bucket.take(15);
  assert.equal(bucket.level, -5);
  assert.equal(bucket.msUntil(1), 600);
  pass(600);
  assert.equal(bucket.level, 1);
});

test('requests over the rate are rejected with the time until the next request', () => {
  const { now, pass } = clock();
  const quotas = new Quotas(
    { requestsPerMinute: 2, thinkingTokens: null, thinkingWindowSeconds: 60 },
    now,
  );
  quotas.countRequest();
  assert.deepEqual(quotas.headers(), {
    'x-ratelimit-limit-requests': '2',
    'x-ratelimit-remaining-requests': '1',
    'x-ratelimit-reset-requests': '30s',
  });
  quotas.countRequest();
  assert.throws(
    () => quotas.countRequest(),
    (error: unknown) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.status, 429);
      assert.equal(error.code, 'rate_limit_exceeded');
      assert.equal(error.retryAfterSeconds, 30);
      assert.match(error.message, /2 requests a minute.*30 s/);
      return true;
    },
  );
  pass(30_000);
  quotas.countRequest();
  assert.throws(() => quotas.countRequest(), ApiError);
});

test('the thinking quota is spent by tokens and refills within its window', () => {
  const { now, pass } = clock();
  const quotas = new Quotas(
    { requestsPerMinute: null, thinkingTokens: 100, thinkingWindowSeconds: 100 },
    now,
  );
  assert.equal(quotas.isThinkingSpent, false);
  quotas.spendThinking(130);
  assert.equal(quotas.isThinkingSpent, true);
  assert.equal(quotas.headers()['x-ratelimit-remaining-thinking-tokens'], '0');
  assert.equal(quotas.headers()['x-ratelimit-reset-thinking-tokens'], '2m10s');
  const refusal = quotas.thinkingRefusal('thinking_mode');
  assert.equal(refusal.status, 429);
  assert.equal(refusal.code, 'thinking_quota_exceeded');
  assert.equal(refusal.param, 'thinking_mode');
  assert.match(refusal.message, /100 tokens in 100 s, is used up.*31 s/);
  pass(31_000);
  assert.equal(quotas.isThinkingSpent, false);
});

test('without limits nothing is rejected and no header is sent', () => {
  const quotas = new Quotas({
    requestsPerMinute: null,
    thinkingTokens: null,
    thinkingWindowSeconds: 60,
  });
  for (let index = 0; index < 1000; index += 1) quotas.countRequest();
  quotas.spendThinking(1e9);
  assert.equal(quotas.isThinkingSpent, false);
  assert.deepEqual(quotas.headers(), {});
});
