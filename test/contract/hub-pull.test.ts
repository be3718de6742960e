import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  isNeeded,
  type PullOptions,
  type PullProgress,
  pull,
} from '../../src/converter/hub/pull.ts';
import { COMMIT, HubStandIn, type StandInOptions } from '../helpers/hub-stand-in.ts';
import { deserted } from '../helpers/listening-app.ts';

const WEIGHTS = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251));
const CONFIG = Buffer.from('{"model_type":"qwen3"}');
const FILES = {
  'README.md': Buffer.from('# hi'),
  'config.json': CONFIG,
  'chat_template.jinja': Buffer.from('{{ messages }}'),
  'merges.txt': Buffer.from(''),
  'model.safetensors': WEIGHTS,
  'pytorch_model.bin': WEIGHTS,
  'model.gguf': WEIGHTS,
};

async function setUp(context: TestContext, options: Partial<StandInOptions> = {}) {
  const hub = new HubStandIn({ files: FILES, ...options });
  const hubUrl = await hub.listen();
  const outDir = await mkdtemp(join(tmpdir(), 'pull-'));
  context.after(async () => {
    await hub.close();
    await rm(outDir, { recursive: true });
  });
  const run = (overrides: Partial<PullOptions> = {}) =>
    pull({ id: 'owner/name', outDir, hubUrl, retryDelaysMs: [], ...overrides });
  return { hub, outDir, hubUrl, run };
}

test('fetches only the files the converter needs, whole', async (context) => {
  const { outDir, run } = await setUp(context);
  const progress: PullProgress[] = [];
  const { commit, files, fetchedBytes } = await run({ onProgress: (p) => progress.push(p) });
  assert.equal(commit, COMMIT);
  assert.deepEqual((await readdir(outDir)).sort(), [
    'chat_template.jinja',
    'config.json',
    'merges.txt',
    'model.safetensors',
  ]);
  assert.deepEqual(files.map(({ path }) => path).sort(), (await readdir(outDir)).sort());
  assert.deepEqual(await readFile(join(outDir, 'model.safetensors')), WEIGHTS);
  assert.equal(fetchedBytes, WEIGHTS.length + CONFIG.length + 14);
  const last = progress.at(-1);
  assert.equal(last?.doneBytes, last?.totalBytes);
  assert.equal(last?.totalBytes, fetchedBytes);
});

test('fetches nothing in a second run', async (context) => {
  const { hub, run } = await setUp(context);
  await run();
  hub.ranges.length = 0;
  assert.equal((await run()).fetchedBytes, 0);
  assert.deepEqual(hub.ranges, []);
});

test('resumes a broken connection within the run', async (context) => {
  const { hub, outDir, run } = await setUp(context);
  hub.breakAfter = [100_000, 50_000];
  const { fetchedBytes } = await run({ retryDelaysMs: [1, 1] });
  assert.deepEqual(await readFile(join(outDir, 'model.safetensors')), WEIGHTS);
  const requests = hub.ranges.filter(({ path }) => path === 'model.safetensors');
  assert.equal(requests.length, 3);
  const starts = requests
    .slice(1)
    .map(({ range }) => Number(/bytes=(\d+)-/.exec(range ?? '')?.[1]));
  assert.ok(starts.every((start) => start > 0));
  assert.ok((starts[1] ?? 0) >= (starts[0] ?? 0));
  assert.equal(fetchedBytes, WEIGHTS.length + CONFIG.length + 14);
});

test('resumes the partial file of an interrupted run', async (context) => {
  const { hub, outDir, run } = await setUp(context);
  hub.breakAfter = [120_000];
  await assert.rejects(run(), /failed .*resumes the download/);
  const [part] = (await readdir(outDir)).filter((name) => name.endsWith('.part'));
  assert.ok(part?.startsWith('model.safetensors.'));
  const have = (await readFile(join(outDir, part ?? ''))).length;
  assert.ok(have > 0 && have < WEIGHTS.length);
  hub.ranges.length = 0;
  const { fetchedBytes } = await run();
  assert.equal(fetchedBytes, WEIGHTS.length - have);
  assert.deepEqual(
    hub.ranges.filter(({ path }) => path === 'model.safetensors'),
    [{ path: 'model.safetensors', range: `bytes=${have}-${WEIGHTS.length - 1}` }],
  );
  assert.deepEqual(await readFile(join(outDir, 'model.safetensors')), WEIGHTS);
  assert.deepEqual(
    (await readdir(outDir)).filter((name) => name.endsWith('.part')),
    [],
  );
});

test('only checks and renames a partial file that is complete', async (context) => {
  const { hub, outDir, run } = await setUp(context);
  await run();
  const { files } = await run();
  const weights = files.find(({ path }) => path === 'model.safetensors');
  const part = `model.safetensors.${weights?.checksum.hex.slice(0, 12)}.part`;
  await rm(join(outDir, 'model.safetensors'));
  await writeFile(join(outDir, part), WEIGHTS);
  hub.ranges.length = 0;
  assert.equal((await run()).fetchedBytes, 0);
  assert.deepEqual(hub.ranges, []);
  assert.deepEqual(await readFile(join(outDir, 'model.safetensors')), WEIGHTS);
});

for (const [name, path, size] of [
  ['large file', 'model.safetensors', WEIGHTS.length],
  ['small file', 'config.json', CONFIG.length],
] as const) {
  test(`a damaged ${name} is rejected, deleted and not tried over and over`, async (context) => {
    const { hub, outDir, run } = await setUp(context);
    hub.falsified.set(path, Buffer.alloc(size, 7));
    await assert.rejects(run({ retryDelaysMs: [1, 1] }), (error: Error) => {
      assert.match(error.message, new RegExp(`"${path}" arrived damaged`));
      assert.match(error.message, /expected \d+ bytes with (sha256|git-blob) [0-9a-f]+, got/);
      return true;
    });
    assert.equal(hub.ranges.filter((request) => request.path === path).length, 1);
    const left = await readdir(outDir);
    assert.ok(
      left.every((file) => !file.startsWith(path)),
      left.join(),
    );
    hub.falsified.clear();
    await run();
    assert.equal((await readFile(join(outDir, path))).length, size);
  });
}

test("fetches a file again that differs from the hub's", async (context) => {
  const { outDir, run } = await setUp(context);
  await run();
  await writeFile(join(outDir, 'config.json'), Buffer.alloc(CONFIG.length, 32));
  assert.equal((await run()).fetchedBytes, CONFIG.length);
  assert.deepEqual(await readFile(join(outDir, 'config.json')), CONFIG);
});

test('rejects a gated model with what to do, and fetches it with the right token', async (context) => {
  const { run } = await setUp(context, { token: 'hf_right' });
  await assert.rejects(run(), /accept its terms, and set HF_TOKEN/);
  await assert.rejects(run({ token: 'hf_wrong' }), /HF_TOKEN may not read "owner\/name"/);
  assert.equal((await run({ token: 'hf_right' })).commit, COMMIT);
});

test('names an unknown model or revision', async (context) => {
  const { run } = await setUp(context);
  await assert.rejects(run({ id: 'owner/other' }), /no "owner\/other" with revision "main"/);
  await assert.rejects(run({ revision: 'v9' }), /no "owner\/name" with revision "v9"/);
});

test('rejects a repository without safetensors before it fetches anything', async (context) => {
  const { hub, outDir, run } = await setUp(context, {
    files: { 'config.json': CONFIG, 'pytorch_model.bin': WEIGHTS },
  });
  await assert.rejects(run(), /has no safetensors weights/);
  assert.deepEqual(hub.ranges, []);
  assert.deepEqual(await readdir(outDir), []);
});

test('names an unreachable hub and the reason', async (context) => {
  const { run } = await setUp(context);
  await assert.rejects(run({ hubUrl: await deserted() }), /failed \(connect ECONNREFUSED/);
});

test('skips other formats of the same weights, documentation and folders', () => {
  const needed = ['model-00001-of-00002.safetensors', 'tokenizer.json', 'merges.txt', 'a.jinja'];
  const other = ['onnx/model.json', 'consolidated.safetensors', 'x.pt', 'x.pth', '.x.json', 'a.py'];
  assert.deepEqual([...needed, ...other].filter(isNeeded), needed);
});
