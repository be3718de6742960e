import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { METRICS_FILE, metricsTable } from '../../../src/tools/metrics-table.ts';
import { buildTestApp } from '../../helpers/test-app.ts';

test('the committed table of metrics is the one that the code writes', () => {
  assert.equal(readFileSync(METRICS_FILE, 'utf8'), metricsTable(), 'run: npm run metrics');
});

test('the table has a row for every metric of a server with a hold-out', async () => {
  const { metrics } = await buildTestApp({
    settings: { holdout: { share: 0.5, random: () => 0 } },
  });
  const table = metricsTable();
  assert.ok(metrics.definitions.length > 50);
  for (const { name, type, help } of metrics.definitions) {
    assert.ok(table.includes(`| \`${name}\` | ${type} |`), name);
    assert.ok(table.includes(`| ${help} |`), help);
  }
});
