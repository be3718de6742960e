import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { MetricDefinition } from '../../../../src/server/telemetry/metric-registry.ts';
import { buildTestApp } from '../../../helpers/test-app.ts';

/** A row of the README's table of metrics; what of vLLM's is there for gateways has its sentence instead. */
function rowOf({ name, type, labels, help }: MetricDefinition): string {
  const shown = labels.length === 0 ? '' : `{${labels.join(', ')}}`;
  return `| \`${name.replace('thinkgate_', '')}${shown}\` | ${type} | ${help} |`;
}

test("the README's table has every metric as it is, and no other", async () => {
  const { metrics } = await buildTestApp({
    settings: { holdout: { share: 0.5, random: () => 0 } },
  });
  const readme = readFileSync('README.md', 'utf8');
  const [, table = ''] =
    /\| metric \| type \| what \|\n\|---\|---\|---\|\n((?:\|.*\n)+)/.exec(readme) ?? [];
  const rows = table.trimEnd().split('\n');
  const expected = metrics.definitions.filter(({ name }) => !name.startsWith('vllm:')).map(rowOf);
  const missing = expected.filter((row) => !rows.includes(row));
  const outdated = rows.filter((row) => !expected.includes(row));
  assert.equal(missing.join('\n'), '', 'put these rows into the README');
  assert.equal(outdated.join('\n'), '', 'take these rows out of the README');
});
