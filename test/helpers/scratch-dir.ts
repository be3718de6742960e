import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A temporary folder that is removed when the test ends. */
export function scratchDir(test: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'thinkgate-test-'));
  test.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
