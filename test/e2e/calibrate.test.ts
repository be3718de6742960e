import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { ResultStore } from '../../src/evaluation/run/result-store.ts';
import { readPackage } from '../../src/package/read-package.ts';
import { scratchDir } from '../helpers/scratch-dir.ts';
import {
  ask,
  type HeldoutQuestion,
  readHeldout,
  requestBody,
  SHIPPED_PACKAGE,
  startShipped,
} from '../helpers/shipped-server.ts';

const run = promisify(execFile);
const CLI = resolve(import.meta.dirname, '../../src/cli/main.js');

/** Some of each: questions the model thinks about, and questions it answers at once. */
function someOf(questions: readonly HeldoutQuestion[]): HeldoutQuestion[] {
  const ofKind = (kind: string): HeldoutQuestion[] =>
    questions.filter((question) => question.kind === kind);
  return [...ofKind('multi-step').slice(0, 20), ...ofKind('perception').slice(0, 8)];
}

function toLine({ id, kind, image, question, answer, accept }: HeldoutQuestion): string {
  const path = image === null ? undefined : resolve(SHIPPED_PACKAGE, 'heldout', image);
  const row = { id, category: kind, question, answer, accept, image: path };
  return `${JSON.stringify(row)}\n`;
}

it('writes a calibrated profile into the package, and the profile moves the expected decisions', async (test) => {
  const dir = scratchDir(test);
  const [packageDir, dataset, out] = ['package', 'q.jsonl', 'out'].map((name) => join(dir, name));
  assert.ok(packageDir && dataset && out);
  cpSync(SHIPPED_PACKAGE, packageDir, { recursive: true });
  const questions = someOf(await readHeldout());
  writeFileSync(dataset, questions.map(toLine).join(''));
  const common = [dataset, '--package', packageDir, '--out', out, '--match', 'exact'];

  await run('node', [CLI, 'calibrate', ...common, '--profile', 'sparing', '--min-gain', '0.5']);
  const { manifest } = await readPackage(packageDir, { verify: true });
  const threshold = manifest.profiles?.['sparing']?.threshold;
  assert.ok(threshold !== undefined && threshold > 0 && threshold < 1);

  const before = readFileSync(join(out, 'results.jsonl'), 'utf8').split('\n').length;
  await run('node', [CLI, 'eval', ...common, '--modes', 'auto,auto@sparing']);
  const results = readFileSync(join(out, 'results.jsonl'), 'utf8').split('\n');
  // Auto was asked by the calibration already: one header and the profile's own replies are new.
  assert.equal(results.length - before, 1 + questions.length);

  const keys = results
    .filter((line) => line.includes('"mode":"auto'))
    .map((line) => JSON.parse(line))
    .filter(({ dataset: of }) => of !== undefined);
  const runOf = (mode: string): string => keys.find((key) => key.mode === mode).run;
  const store = new ResultStore(join(out, 'results.jsonl'));
  test.after(() => store.close());
  const flipped: HeldoutQuestion[] = [];
  for (const question of questions) {
    const own = store.find(runOf('auto'), question.id)?.thinking;
    const leant = store.find(runOf('auto@sparing'), question.id)?.thinking;
    assert.ok(own?.pThink != null && leant?.pThink != null);
    assert.equal(leant.mode, leant.pThink >= threshold ? 'think' : 'fast', question.id);
    if (own.mode !== leant.mode) flipped.push(question);
  }
  assert.ok(flipped.length >= 2, `${flipped.length} decisions changed`);

  const server = await startShipped({
    package: packageDir,
    thinking: { profile: 'sparing' },
    http: { servedModelName: 'nano' },
  });
  test.after(() => server.close());
  const [first] = flipped;
  assert.ok(first);
  const reply = await ask(server, await requestBody(first));
  const { mode, source } = reply.choices[0].thinking;
  assert.deepEqual([mode, source], ['fast', 'policy']);
});
