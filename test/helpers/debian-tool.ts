import { spawnSync } from 'node:child_process';

/** A program that the tests use where it is installed. */
export type DebianTool = 'prometheus' | 'promtool';

/** @returns what to put into a test's `skip`: false where the program is there, else why the test does not run. */
export function missing(...tools: readonly DebianTool[]): string | false {
  const absent = tools.filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
  if (absent.length === 0) return false;
  return `NOT RUN: ${absent.join(' and ')} not installed (Debian: apt-get install prometheus)`;
}

/** What a program said. Both streams, since promtool complains on either. */
export function runTool(
  tool: DebianTool,
  args: readonly string[],
  input?: string,
): { readonly code: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(tool, args, { input, encoding: 'utf8' });
  return { code: status, output: stdout + stderr };
}
