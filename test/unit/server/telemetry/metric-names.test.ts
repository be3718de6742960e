import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildTestApp, postChat } from '../../../helpers/test-app.ts';

/** The rules promtool checks: help for all, counters end in _total and nothing else does, base units. */
test('gives every metric a conventional name and a help text', async () => {
  const { app, metrics } = await buildTestApp();
  await postChat(app);
  const lines = (await metrics.expose()).split('\n');
  const types = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' '));
  const helps = new Map(
    lines
      .filter((line) => line.startsWith('# HELP '))
      .map((line) => [line.split(' ')[2], line.split(' ').slice(3).join(' ')]),
  );
  assert.ok(types.length > 20);
  for (const [, , name = '', type] of types) {
    assert.match(name, /^(thinkgate_|vllm:)[a-z0-9_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.doesNotMatch(name, /_(ms|milliseconds|percent|count|sum|bucket|info_total)$/, name);
    assert.doesNotMatch(name, /counter|gauge|histogram/, name);
    assert.ok((helps.get(name) ?? '').endsWith('.') || name.endsWith('_info'), name);
  }
});
