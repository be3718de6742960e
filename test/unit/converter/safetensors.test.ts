import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openCheckpointWeights } from '../../../src/converter/checkpoint/checkpoint-weights.ts';
import { SafetensorsFile } from '../../../src/converter/checkpoint/safetensors.ts';
import { encodeSafetensors, withHeader } from '../../helpers/safetensors-writer.ts';
import { scratchDir } from '../../helpers/scratch-dir.ts';

const VALUES = Float32Array.of(1, -2, 0.5, 3, 0, -0.25);

function fileWith(test: TestContext, bytes: Uint8Array): string {
  const path = join(scratchDir(test), 'model.safetensors');
  writeFileSync(path, bytes);
  return path;
}

/** One tensor of six float32 values, with entries of its header replaced. */
function damaged(entry: Record<string, unknown>, extra: Record<string, unknown> = {}): Uint8Array {
  const whole = { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24], ...entry };
  return withHeader(JSON.stringify({ 'the.tensor': whole, ...extra }), new Uint8Array(24));
}

describe('a safetensors file', () => {
  for (const dtype of ['F32', 'F16', 'BF16'] as const) {
    it(`gives any stretch of a tensor stored as ${dtype} in float32`, async (test) => {
      const tensors = [
        { name: 'first', shape: [3], values: Float32Array.of(9, 9, 9) },
        { name: 'second', shape: [2, 3], values: VALUES },
      ];
      const file = await SafetensorsFile.open(fileWith(test, encodeSafetensors(tensors, dtype)));
      test.after(() => file.close());
      const tensor = file.tensors.find(({ name }) => name === 'second')!;
      assert.deepEqual(tensor.shape, [2, 3]);
      assert.equal(tensor.numElements, 6);
      assert.deepEqual(await tensor.read(0, 6), VALUES);
      assert.deepEqual(await tensor.read(2, 3), VALUES.slice(2, 5));
    });
  }

  const faults: [string, Uint8Array, RegExp][] = [
    [
      'an unknown dtype',
      damaged({ dtype: 'I64' }),
      /the\.tensor is stored as I64; expected F32, F16 or BF16/,
    ],
    [
      'data past the end',
      damaged({ data_offsets: [8, 32] }),
      /the\.tensor lies at 8\.\.32, outside the 24 bytes/,
    ],
    [
      'offsets in reverse',
      damaged({ data_offsets: [24, 0] }),
      /the\.tensor lies at 24\.\.0, outside/,
    ],
    [
      'a size that is not its shape',
      damaged({ shape: [5] }),
      /the\.tensor takes 24 bytes; its shape \[5\] in F32 needs 20/,
    ],
    ['a malformed entry', damaged({ shape: 'wide' }), /header entry of the\.tensor is malformed/],
    [
      'overlapping tensors',
      damaged({}, { another: { dtype: 'F32', shape: [2], data_offsets: [16, 24] } }),
      /the\.tensor and another overlap/,
    ],
    [
      'a header that is no JSON',
      withHeader('{oops', new Uint8Array(0)),
      /header is not a JSON object/,
    ],
    [
      'a header longer than the file',
      Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0, 123),
      /header length is -?\d+ in 9 bytes/,
    ],
    ['next to nothing', Uint8Array.of(1, 2), /not a safetensors file/],
  ];
  for (const [what, bytes, message] of faults) {
    it(`is rejected with ${what}, by name`, async (test) => {
      await assert.rejects(SafetensorsFile.open(fileWith(test, bytes)), {
        name: 'ConvertError',
        message,
      });
    });
  }
});

describe('a checkpoint in shards', () => {
  function writeShards(test: TestContext, weightMap: Record<string, string>): string {
    const dir = scratchDir(test);
    const tensor = (name: string) => ({ name, shape: [6], values: VALUES });
    writeFileSync(join(dir, 'one.safetensors'), encodeSafetensors([tensor('a'), tensor('b')]));
    writeFileSync(join(dir, 'two.safetensors'), encodeSafetensors([tensor('c')]));
    const index = JSON.stringify({ weight_map: weightMap });
    writeFileSync(join(dir, 'model.safetensors.index.json'), index);
    return dir;
  }
  const complete = { a: 'one.safetensors', b: 'one.safetensors', c: 'two.safetensors' };

  it('gives the tensors of every shard', async (test) => {
    const weights = await openCheckpointWeights(writeShards(test, complete));
    test.after(() => weights.close());
    assert.deepEqual([...weights.tensors.keys()].sort(), ['a', 'b', 'c']);
  });

  const faults: [string, Record<string, string>, RegExp][] = [
    [
      'a tensor its shard does not hold',
      { ...complete, d: 'two.safetensors' },
      /says d is in two\.safetensors, but it is not there/,
    ],
    [
      'a shard that does not exist',
      { ...complete, d: 'three.safetensors' },
      /three\.safetensors does not exist/,
    ],
    [
      'a tensor in another shard',
      { ...complete, c: 'one.safetensors' },
      /says c is in one\.safetensors/,
    ],
    [
      'a shard outside the folder',
      { ...complete, d: '../secret.safetensors' },
      /\.\.\/secret\.safetensors/,
    ],
  ];
  for (const [what, weightMap, message] of faults) {
    it(`is rejected when the index names ${what}`, async (test) => {
      await assert.rejects(openCheckpointWeights(writeShards(test, weightMap)), {
        name: 'ConvertError',
        message,
      });
    });
  }

  it('is rejected when a shard holds a tensor the index does not know', async (test) => {
    const dir = writeShards(test, { a: 'one.safetensors', c: 'two.safetensors' });
    await assert.rejects(
      openCheckpointWeights(dir),
      /one\.safetensors holds b, which .* does not expect/,
    );
  });

  it('is rejected when there are no weights at all', async (test) => {
    await assert.rejects(
      openCheckpointWeights(scratchDir(test)),
      /model\.safetensors does not exist/,
    );
  });
});
