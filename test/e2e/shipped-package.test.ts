import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { readPackage } from '../../src/model-package/read-package.ts';
import { SHIPPED_PACKAGE } from '../helpers/shipped-server.ts';

/** What the repository may hold of weights. */
const MAX_BYTES = 25_000_000;

it('ships exactly the files its manifest vouches for, within 25 MB', async () => {
  const { manifest } = await readPackage(SHIPPED_PACKAGE, { verify: true });
  const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(total <= MAX_BYTES, `${total} bytes`);
});

it('keeps the measured accuracy it states within what it promises', async () => {
  const evaluation = JSON.parse(await readFile(`${SHIPPED_PACKAGE}/evaluation.json`, 'utf8'));
  for (const [task, row] of Object.entries<Record<string, unknown>>(evaluation.tasks)) {
    if (row['kind'] === 'perception') assert.ok(Number(row['fast']) >= 90, task);
    if (row['kind'] === 'multi-step') assert.ok(Number(row['think']) >= 80, task);
  }
});
