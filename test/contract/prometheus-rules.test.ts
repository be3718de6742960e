import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { CATALOGUE } from '../../src/server/http/errors.ts';
import { missing, runTool } from '../helpers/debian-tool.ts';
import { buildTestApp } from '../helpers/test-app.ts';

const FOLDER = 'docker/prometheus';
const RULES = filesIn('rules');
const skip = missing('promtool');

function filesIn(folder: string): string[] {
  return readdirSync(path.join(FOLDER, folder)).map((name) => path.join(FOLDER, folder, name));
}

test('promtool accepts the rules and the configuration', { skip }, () => {
  for (const args of [
    ['check', 'rules', ...RULES],
    ['check', 'config', '--syntax-only', path.join(FOLDER, 'prometheus.yml')],
  ]) {
    const { code, output } = runTool('promtool', args);
    assert.equal(code, 0, output);
  }
});

test('every alert fires when it should and stays silent when it should not', { skip }, () => {
  const { code, output } = runTool('promtool', ['test', 'rules', ...filesIn('tests')]);
  assert.equal(code, 0, output);
});

test('every alert and every recorded series has a test', () => {
  const tests = filesIn('tests').map(read).join('\n');
  const names = RULES.flatMap((file) =>
    [...read(file).matchAll(/- (?:alert|record): (\S+)/g)].map(([, name]) => name ?? ''),
  );
  assert.ok(names.length > 15);
  for (const name of names.filter((known) => known !== 'job:thinkgate_errors:rate5m')) {
    if (name === 'job:thinkgate_model_decisions:rate5m') continue;
    assert.ok(tests.includes(name), `${name} is tested`);
  }
});

test('the rules use only metrics that exist', async () => {
  const { metrics } = await buildTestApp();
  const names = new Set(metrics.definitions.map(({ name }) => name));
  for (const [, name = ''] of RULES.map(read)
    .join('\n')
    .matchAll(/\b(thinkgate_\w+)[{[)]/g)) {
    assert.ok(names.has(name.replace(/_bucket$/, '')), name);
  }
});

test('the error rate counts every server error except those during shutdown', () => {
  const [, listed = ''] = /code=~"([^"]+)"/.exec(RULES.map(read).join('\n')) ?? [];
  const ours = Object.entries(CATALOGUE)
    .filter(([code, { status }]) => status >= 500 && code !== 'shutting_down')
    .map(([code]) => code);
  assert.deepEqual(listed.split('|').toSorted(), ours.toSorted());
});

function read(file: string): string {
  return readFileSync(file, 'utf8');
}
