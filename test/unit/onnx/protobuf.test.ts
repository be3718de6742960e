import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtoWriter, readFields, textsOf } from '../../../src/onnx/protobuf.ts';
import { SHIPPED_PACKAGE } from '../../helpers/shipped-server.ts';

function hex(writer: ProtoWriter): string {
  return Buffer.from(writer.finish()).toString('hex');
}

function copied(bytes: Uint8Array): Uint8Array {
  const writer = new ProtoWriter();
  for (const field of readFields(bytes)) writer.field(field);
  return writer.finish();
}

describe('ProtoWriter', () => {
  it("encodes the examples of protobuf's own documentation", () => {
    assert.equal(hex(new ProtoWriter().int(1, 150)), '089601');
    assert.equal(hex(new ProtoWriter().string(2, 'testing')), '120774657374696e67');
    assert.equal(hex(new ProtoWriter().message(3, new ProtoWriter().int(1, 150))), '1a03089601');
    assert.equal(hex(new ProtoWriter().int(2, -2)), '10feffffffffffffffff01');
  });

  it('encodes field numbers above 15, floats and integers beyond 32 bits', () => {
    assert.equal(hex(new ProtoWriter().int(20, 1)), 'a00101');
    assert.equal(hex(new ProtoWriter().float(2, 1)), '150000803f');
    assert.equal(hex(new ProtoWriter().int(1, 2 ** 40)), '08808080808020');
  });

  it('grows past its first buffer without losing bytes', () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
    const written = new ProtoWriter().int(1, 1).bytes(2, bytes).int(3, 7).finish();
    assert.equal(Buffer.from(written.subarray(0, 6)).toString('hex'), '080112a08d06');
    assert.deepEqual(written.subarray(6, 100_006), bytes);
    assert.deepEqual([...written.subarray(100_006)], [0x18, 7]);
  });
});

describe('readFields', () => {
  it('returns the fields in their order, whatever their encoding', () => {
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

  it('returns fields that write back to the same bytes', () => {
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

  it('rejects bytes that end within a field or have an unknown wire type', () => {
    const bytes = new ProtoWriter().string(1, 'abc').finish().slice();
    for (let length = 1; length < bytes.length; length++) {
      assert.throws(() => readFields(bytes.subarray(0, length)), /cut off/);
    }
    assert.throws(() => readFields(Uint8Array.of(0x0c)), /wire type 4/);
  });
});
