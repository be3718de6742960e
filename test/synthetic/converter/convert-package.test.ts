import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  type ConvertProgress,
  convertCheckpoint,
} from '../../../src/converter/convert-checkpoint.ts';
import { PackageFiles } from '../../../src/converter/package-files.ts';
import type { StorageError } from '../../../src/converter/quantization/storage-error.ts';
import { describePackage } from '../../../src/package/describe.ts';
import { manifestSchema } from '../../../src/package/manifest.ts';
import { readPackage } from '../../../src/package/read-package.ts';
import {
  type RandomCheckpointOptions,
  writeRandomCheckpoint,
} from '../../helpers/random-checkpoint.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

function setUp(test: TestContext, options: RandomCheckpointOptions = { vision: {} }) {
  const dir = scratchDir(test);
  const checkpoint = writeRandomCheckpoint(join(dir, 'in'), options);
  const outDir = join(dir, 'small-model');
  return { dir, checkpoint, outDir, checkpointDir: checkpoint.dir, precision: 'int4' as const };
}

describe('a conversion', () => {
  it('writes a package whose manifest and files agree', async (test) => {
    const options = setUp(test);
    const manifest = await convertCheckpoint(options);
    assert.deepEqual(manifestSchema.parse(manifest), manifest);
    assert.equal(manifest.name, 'small-model');
    assert.equal(manifest.architecture, 'r4b');
    assert.equal(manifest.thinking.name, 'R-4B');
    assert.equal(manifest.chat.contentFormat, 'parts');
    assert.equal(manifest.tokens.image, 267);
    assert.deepEqual(
      readdirSync(options.outDir).sort(),
      [...manifest.files.map(({ path }) => path), 'manifest.json'].sort(),
    );
    for (const { path, sha256, bytes } of manifest.files) {
      const contents = readFileSync(join(options.outDir, path));
      assert.equal(createHash('sha256').update(contents).digest('hex'), sha256, path);
      assert.equal(contents.length, bytes, path);
    }
    const newline = readFileSync(join(options.outDir, 'image_newline.f32'));
    const values = new Float32Array(newline.buffer.slice(newline.byteOffset));
    assert.deepEqual(values.subarray(0, 64), options.checkpoint.weights.get('newline')?.values);
    assert.deepEqual((await readPackage(options.outDir, { verify: true })).manifest, manifest);
  });

  it('gives the same bytes for the same checkpoint, whatever its shards and naming', async (test) => {
    const first = await convertCheckpoint(setUp(test));
    const second = await convertCheckpoint(setUp(test, { vision: {}, shards: 3, naming: 'old' }));
    assert.deepEqual(second.files, first.files);
  });

  it('stores a tied embedding and head once', async (test) => {
    const tied = await convertCheckpoint({ ...setUp(test, {}), precision: 'fp32' });
    const untied = await convertCheckpoint({
      ...setUp(test, { text: { tied: false } }),
      precision: 'fp32',
    });
    const size = (manifest: typeof tied): number =>
      manifest.files.find(({ path }) => path === 'text.data')!.bytes;
    assert.ok(size(untied) - size(tied) >= 288 * 64 * 4);
    assert.equal(tied.text.tiedEmbeddings, true);
    assert.equal(untied.text.tiedEmbeddings, false);
  });

  it('takes another name and protocol from the options', async (test) => {
    const manifest = await convertCheckpoint({
      ...setUp(test, {}),
      name: 'other',
      protocol: 'R-4B',
    });
    assert.equal(manifest.name, 'other');
    assert.equal(manifest.thinking.name, 'R-4B');
    await assert.rejects(
      convertCheckpoint({ ...setUp(test, {}), protocol: 'Nope' }),
      /no thinking protocol Nope; known are R-4B, .*Qwen3/,
    );
  });

  it('reports progress from nothing to everything', async (test) => {
    const seen: ConvertProgress[] = [];
    await convertCheckpoint({ ...setUp(test), onProgress: (progress) => seen.push(progress) });
    const amounts = seen.map(({ doneBytes }) => doneBytes);
    assert.deepEqual(
      amounts,
      amounts.toSorted((a, b) => a - b),
    );
    assert.deepEqual([seen[0]?.phase, seen.at(-1)?.phase], ['checking', 'finishing']);
    assert.equal(seen.at(-1)?.doneBytes, seen.at(-1)?.totalBytes);
    assert.ok(seen.some(({ tensor }) => tensor === 'model.language_model.embed_tokens.weight'));
  });

  it('reports the error of every quantised tensor to onStorageError', async (test) => {
    const errors: StorageError[] = [];
    await convertCheckpoint({ ...setUp(test), onStorageError: (error) => errors.push(error) });
    const query = errors.find(({ name }) => name.endsWith('layers.0.self_attn.q_proj.weight'));
    assert.ok(query && query.relative > 0.02 && query.relative < 0.12 && query.maxAbsolute > 0);
    assert.ok(errors.some(({ name, form }) => name.includes('vision_tower') && form === 'int8'));
  });

  it('notes values that half precision cannot hold', async (test) => {
    const options = setUp(test, {
      edit: ({ tensors }) => {
        tensors.get('model.layers.0.mlp.up_proj.weight')!.values[3] = 1e6;
      },
    });
    const manifest = await convertCheckpoint({ ...options, precision: 'fp16' });
    assert.match(
      manifest.provenance.notes.join(),
      /1 values of model\.layers\.0\.mlp\.up_proj\.weight are infinite in half precision/,
    );
  });
});

describe('a failed conversion', () => {
  it('rejects to overwrite, unless told to', async (test) => {
    const options = setUp(test, {});
    mkdirSync(options.outDir);
    writeFileSync(join(options.outDir, 'precious.txt'), 'x');
    await assert.rejects(convertCheckpoint(options), {
      name: 'ConvertError',
      message: /small-model already exists; --force replaces it/,
    });
    assert.deepEqual(readdirSync(options.outDir), ['precious.txt']);
    await convertCheckpoint({ ...options, force: true });
    assert.ok(!readdirSync(options.outDir).includes('precious.txt'));
    assert.deepEqual(readdirSync(options.dir).sort(), ['in', 'small-model']);
  });

  it('leaves nothing behind when it is aborted in the middle', async (test) => {
    const options = setUp(test, {});
    const abort = new AbortController();
    const onProgress = ({ doneBytes }: ConvertProgress): void => {
      if (doneBytes > 20_000) abort.abort();
    };
    await assert.rejects(convertCheckpoint({ ...options, onProgress, signal: abort.signal }), {
      name: 'AbortError',
    });
    assert.deepEqual(readdirSync(options.dir), ['in']);
  });

  it('leaves nothing behind when the template turns out to be broken', async (test) => {
    const options = setUp(test, {
      edit: (draft) => {
        draft.template = '{% if %}';
      },
    });
    await assert.rejects(convertCheckpoint(options), /chat template cannot be parsed/);
    assert.deepEqual(readdirSync(options.dir), ['in']);
  });

  it('names the tensor and element that are not finite', async (test) => {
    for (const precision of ['fp32', 'fp16', 'int4'] as const) {
      const options = setUp(test, {
        edit: ({ tensors }) => {
          tensors.get('model.layers.1.mlp.down_proj.weight')!.values[77] = Number.NaN;
        },
      });
      await assert.rejects(convertCheckpoint({ ...options, precision }), {
        name: 'ConvertError',
        message: 'model.layers.1.mlp.down_proj.weight holds NaN at element 77.',
      });
      assert.deepEqual(readdirSync(options.dir), ['in']);
    }
  });

  it('checks the free disk space first, naming what is needed and what is free', async (test) => {
    const dir = scratchDir(test);
    await assert.rejects(
      PackageFiles.create(join(dir, 'out'), { force: false, dataBytes: 1e18 }),
      /Not enough disk space in .*: the package needs 1000000000\.\d\d GB, \d+\.\d\d GB are free/,
    );
    assert.deepEqual(readdirSync(dir), []);
  });

  it('names the folder it cannot write to', async (test) => {
    const options = setUp(test, {});
    await assert.rejects(
      convertCheckpoint({ ...options, outDir: join(options.dir, 'nowhere', 'out') }),
      /nowhere does not exist or cannot be written to/,
    );
  });
});

describe('a package', () => {
  it('with a changed file is rejected by name with both digests', async (test) => {
    const options = setUp(test, {});
    await convertCheckpoint(options);
    const file = join(options.outDir, 'chat_template.jinja');
    const contents = readFileSync(file);
    contents[0] = contents[0]! ^ 1;
    writeFileSync(file, contents);
    await readPackage(options.outDir);
    await assert.rejects(readPackage(options.outDir, { verify: true }), {
      name: 'PackageError',
      message: /chat_template\.jinja has sha256 [0-9a-f]{64}; the manifest expects [0-9a-f]{64}/,
    });
  });

  it('with a file cut short or missing is rejected even without verifying', async (test) => {
    const options = setUp(test, {});
    await convertCheckpoint(options);
    appendFileSync(join(options.outDir, 'embed.onnx'), 'x');
    await assert.rejects(
      readPackage(options.outDir),
      /embed\.onnx has \d+ bytes; the manifest expects \d+/,
    );
    rmSync(join(options.outDir, 'embed.onnx'));
    await assert.rejects(readPackage(options.outDir), /embed\.onnx is missing from the package/);
  });

  it('whose manifest is absent, broken or reaches outside is rejected', async (test) => {
    const options = setUp(test, {});
    const manifest = await convertCheckpoint(options);
    const file = join(options.outDir, 'manifest.json');
    const write = (value: unknown): void => writeFileSync(file, JSON.stringify(value));
    write({ ...manifest, version: 2 });
    await assert.rejects(readPackage(options.outDir), /does not fit the package format: version/);
    const outside = { path: '../in/config.json', bytes: 1, sha256: '0'.repeat(64) };
    write({ ...manifest, files: [...manifest.files, outside] });
    await assert.rejects(
      readPackage(options.outDir),
      /\.\.\/in\/config\.json lies outside the package/,
    );
    write({ ...manifest, files: manifest.files.filter(({ path }) => path !== 'tokenizer.json') });
    await assert.rejects(readPackage(options.outDir), /uses tokenizer\.json but does not list it/);
    writeFileSync(file, '{');
    await assert.rejects(readPackage(options.outDir), /manifest\.json is not valid JSON/);
    rmSync(file);
    await assert.rejects(readPackage(options.outDir), /is not a model package: it has no readable/);
  });

  it('is described for thinkgate inspect', async (test) => {
    const text = describePackage(await convertCheckpoint(setUp(test)));
    for (const line of [
      /^name +small-model$/m,
      /^architecture +r4b \(RForConditionalGeneration\)$/m,
      /^parameters +[\d,]+, F32 in the checkpoint$/m,
      /^ {2}heads +4 of 16, 2 for keys and values$/m,
      /^ {2}KV cache +fp32$/m,
      /^ {2}tile +30 px in patches of 7: 4x4 = 16 features$/m,
      /^ {2}image token +<image> = 267$/m,
      /^ {2}auto \(default\) +prefill "<think>"$/m,
      /^ {2}total +\d/m,
      /^ {2}- The vision tower has 2 layers/m,
    ]) {
      assert.match(text, line);
    }
  });
});
