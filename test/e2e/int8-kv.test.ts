import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { readPackage } from '../../src/package/read-package.ts';
import type { RunningServer } from '../../src/server/main.ts';
import {
  ask,
  type Reply,
  readHeldout,
  requestBody,
  SHIPPED_PACKAGE,
  startShipped,
} from '../helpers/shipped-server.ts';

const run = promisify(execFile);

function cli(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, ['dist/src/cli/main.js', ...args]);
}

/** A question of every task, each in auto mode. */
async function bodies(): Promise<Record<string, unknown>[]> {
  const seen = new Set<string>();
  const questions = (await readHeldout()).filter(({ task }) => !seen.has(task) && seen.add(task));
  return Promise.all(questions.map((question) => requestBody(question, { logprobs: true })));
}

describe('an int8 KV cache for the shipped model', () => {
  let folder: string;
  let packageDir: string;
  let stdout: string;
  let server: RunningServer;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thinkgate-kv8-'));
    packageDir = join(folder, 'nano');
    const { manifest } = await readPackage(SHIPPED_PACKAGE);
    for (const path of ['manifest.json', ...manifest.files.map((file) => file.path)]) {
      cpSync(join(SHIPPED_PACKAGE, path), join(packageDir, path));
    }
    const { stderr } = await cli(
      'serve',
      packageDir,
      '--kv-cache-dtype',
      'int8',
      '--port',
      '0',
    ).then(
      () => assert.fail('served'),
      (error: { stderr: string }) => error,
    );
    assert.match(stderr, /--kv-cache-dtype int8: .*`thinkgate quantize-kv .*nano` adds one\./);
    ({ stdout } = await cli('quantize-kv', packageDir, '--threads', '1'));
    server = await startShipped({
      package: packageDir,
      engine: { kvCacheDtype: 'int8', maxNumSeqs: 8 },
    });
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  it('is added to the package with a report of logits, decisions, clipping and memory', () => {
    assert.match(stdout, /top-1 agreement +\d+\.\d\d %/);
    assert.match(stdout, /flipped +0\n/);
    assert.match(stdout, /fp32 +2\.05 MB\nint8 +512\.00 kB\n/);
    assert.match(stdout, /layer +keys clipped +values clipped/);
    assert.match(stdout, /added decoder\.kv8\.onnx .* serve it with --kv-cache-dtype int8/);
  });

  it("shows in the model's description", async () => {
    const response = await fetch(`${server.url}/v1/models`);
    const { data } = (await response.json()) as { data: { kv_cache: string }[] };
    assert.equal(data[0]?.kv_cache, 'int8');
  });

  it('makes the decisions of float32, alone and in a batch', async () => {
    const asked = await bodies();
    assert.ok(asked.length >= 20);
    const exact = await startShipped();
    const inFp32: Reply[] = [];
    for (const body of asked) inFp32.push(await ask(exact, body));
    await exact.close();
    const alone: Reply[] = [];
    for (const body of asked) alone.push(await ask(server, body));
    const together = await Promise.all(asked.map((body) => ask(server, body)));
    for (const [index, { choices }] of alone.entries()) {
      const [mine] = choices;
      const [theirs] = inFp32[index]!.choices;
      assert.equal(mine.thinking.mode, theirs.thinking.mode);
      assert.ok(Math.abs(mine.thinking.p_think! - theirs.thinking.p_think!) < 0.05);
      assert.deepEqual(together[index]!.choices[0].message, mine.message);
      assert.equal(together[index]!.choices[0].thinking.p_think, mine.thinking.p_think);
    }
    assert.ok(
      alone.some(({ choices }, i) => {
        return choices[0].thinking.p_think !== inFp32[i]!.choices[0].thinking.p_think;
      }),
      'another cache gives other numbers',
    );
  });
});
