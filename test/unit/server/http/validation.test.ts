import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeeperThan, MAX_NESTING } from '../../../../src/server/http/validation.ts';
import { buildTestApp, postChat } from '../../../helpers/test-app.ts';

function nested(depth: number, as: 'list' | 'object'): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = as === 'list' ? [value] : { a: value };
  return value;
}

test('depth counts arrays and objects alike, exactly', () => {
  for (const as of ['list', 'object'] as const) {
    assert.equal(isDeeperThan(nested(0, as), 0), false);
    assert.equal(isDeeperThan(nested(5, as), 5), false);
    assert.equal(isDeeperThan(nested(6, as), 5), true);
    assert.equal(isDeeperThan(nested(500_000, as), 64), true);
  }
  assert.equal(isDeeperThan(Array(1_000_000).fill('wide'), 1), false);
});

test('a body that is nested too deep is a 400 that names the limit, even in a field of any type', async () => {
  const { app } = await buildTestApp();
  const tools = (parameters: unknown) => [
    { type: 'function', function: { name: 'f', parameters } },
  ];
  const reply = await postChat(app, { tools: tools(nested(MAX_NESTING, 'object')) });
  assert.equal(reply.statusCode, 400);
  assert.equal(reply.json().error.code, 'invalid_request');
  assert.match(reply.json().error.message, /deeper than 64 levels/);
});

test('the JSON in the arguments of earlier calls has the same limit', async () => {
  const { app } = await buildTestApp();
  const call = (text: string) => ({
    id: 'c',
    type: 'function',
    function: { name: 'f', arguments: text },
  });
  const messages = [
    { role: 'user', content: 'x' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [call(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`)],
    },
    { role: 'tool', tool_call_id: 'c', content: '1' },
  ];
  const reply = await postChat(app, { messages });
  assert.equal(reply.statusCode, 400);
  assert.match(reply.json().error.message, /deeper than 64 levels/);
});

test('an error shows only the beginning of a large value', async () => {
  const { app } = await buildTestApp();
  for (const value of [nested(50, 'list'), { a: 'x'.repeat(100_000) }, Array(50_000).fill(7)]) {
    const { error } = (await postChat(app, { temperature: value })).json();
    assert.equal(error.param, 'temperature');
    assert.ok(error.message.length < 150, error.message);
  }
});
