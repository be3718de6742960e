import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readFields, textsOf } from '../../../src/onnx/proto-reader.ts';
import { ProtoWriter } from '../../../src/onnx/proto-writer.ts';
import { SHIPPED_PACKAGE } from '../../helpers/shipped-server.ts';

function copied(bytes: Uint8Array): Uint8Array {
  const writer = new ProtoWriter();
  for (const field of readFields(bytes)) writer.field(field);
  return writer.finish();
}

describe('the protobuf reader', () => {
  it('finds the fields in their order, whatever their encoding', () => {
    const bytes = new ProtoWriter()
      .int(1, 300)
      .float(20, 1)
      .string(2, 'ab')
      .string(2, 'ç')
      .finish();
    const fields = readFields(bytes);
    assert.deepEqual(
      fields.map(({ number, wireType }) => [number, wireType]),
      [
        [1, 0],
        [20, 5],
        [2, 2],
        [2, 2],
      ],
    );
    assert.deepEqual(textsOf(fields, 2), ['ab', 'ç']);
    assert.deepEqual(textsOf(fields, 3), []);
  });

  it('gives back what was written, field by field', () => {
    const field = fc.tuple(
      fc.integer({ min: 1, max: 5000 }),
      fc.oneof(fc.maxSafeInteger(), fc.uint8Array({ maxLength: 300 })),
    );
    fc.assert(
      fc.property(fc.array(field), (written) => {
        const writer = new ProtoWriter();
        for (const [number, value] of written) {
          if (typeof value === 'number') writer.int(number, value);
          else writer.bytes(number, value);
        }
        const bytes = writer.finish().slice();
        assert.deepEqual(copied(bytes), bytes);
      }),
    );
  });

  it('copies a real model file to the byte', () => {
    const bytes = new Uint8Array(readFileSync(join(SHIPPED_PACKAGE, 'decoder.onnx')));
    assert.deepEqual(copied(bytes), bytes);
  });

  it('refuses bytes that end in the midst of a field, or are none', () => {
    const bytes = new ProtoWriter().string(1, 'abc').finish().slice();
    for (let length = 1; length < bytes.length; length++) {
      assert.throws(() => readFields(bytes.subarray(0, length)), /cut off/);
    }
    assert.throws(() => readFields(Uint8Array.of(0x0c)), /wire type 4/);
  });
});
