/**
 * Runs the GPU bench's quickest phase on the CPU, to see that the bench itself works. It measures time, so it is not part
 * of `npm test`: `.ci/run` runs it alone, as `npm run test:bench`.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { scratchDir } from '../../helpers/scratch-dir.ts';

const run = promisify(execFile);

async function bench(work: string): Promise<string> {
  const flags = ['--quick', '--only', 'copy:cpu', '--devices', 'cpu', '--python', 'no-python'];
  const script = new URL('./run.js', import.meta.url).pathname;
  return (await run(process.execPath, [script, ...flags, '--work', work])).stdout;
}

describe('the GPU bench', () => {
  it('runs a phase, shows its figure, and does not run it again', async (context) => {
    const work = join(scratchDir(context), 'work');
    const first = await bench(work);
    assert.match(first, /copy:cpu: done/);
    assert.match(first, /copies \(read and written\): cpu \d+\.\d GB\/s/);
    assert.match(first, /!!! no-python has no torch/);
    const second = await bench(work);
    assert.doesNotMatch(second, /copy:cpu …/);
    assert.match(second, /cpu \d+\.\d GB\/s/);
  });
});
