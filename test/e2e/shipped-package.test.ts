import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { readPackage } from '../../src/package/read-package.ts';
import type { GroupSummary } from '../bench/heldout-summary.ts';
import { SHIPPED_PACKAGE } from '../helpers/shipped-server.ts';

/** What the repository may hold of weights. */
const MAX_BYTES = 25_000_000;

it('ships exactly the files that its manifest lists, within 25 MB', async () => {
  const { manifest } = await readPackage(SHIPPED_PACKAGE, { verify: true });
  const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(total <= MAX_BYTES, `${total} bytes`);
});

it('states a measured accuracy and thinking rate within the limits of the model card', async () => {
  const evaluation = JSON.parse(await readFile(`${SHIPPED_PACKAGE}/evaluation.json`, 'utf8'));
  const groups: GroupSummary[] = evaluation.models[evaluation.shipped];
  const byTask = groups.filter(({ set, kind }) => set === 'questions' && kind !== null);
  assert.ok(byTask.length > 20);
  for (const { group, kind, fast, think } of byTask) {
    if (kind === 'perception') assert.ok(fast.right >= 90, group);
    if (kind === 'multi-step') assert.ok(think.right >= 80, group);
  }
  const [all] = groups.filter(({ set, group }) => set === 'mixed' && group === 'all');
  assert.ok(all && all.auto.right >= all.think.right - 1);
});
