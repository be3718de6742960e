import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { GraphBuilder } from '../../../src/converter/onnx/graph-builder.ts';
import { encodeModel } from '../../../src/onnx/model-proto.ts';
import { ProtoWriter } from '../../../src/onnx/proto-writer.ts';

function hex(writer: ProtoWriter): string {
  return Buffer.from(writer.finish()).toString('hex');
}

describe('the protobuf writer', () => {
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

describe('an encoded model', () => {
  it('has the bytes a hand-made reference has', () => {
    const model = encodeModel(
      {
        name: 'g',
        nodes: [
          {
            name: 'n',
            type: 'Neg',
            domain: '',
            inputs: ['x'],
            outputs: ['y'],
            attributes: { a: { int: -1 } },
          },
        ],
        initializers: [
          { name: 'w', type: 'uint8', dims: [2], data: { file: 'f', offset: 64, bytes: 2 } },
        ],
        inputs: [{ name: 'x', type: 'float32', dims: ['n', 3] }],
        outputs: [],
      },
      'p',
    );
    assert.equal(
      Buffer.from(model).toString('hex'),
      [
        '080a', // ir_version 10
        '120170', // producer_name "p"
        '3a73', // graph, 115 bytes
        '0a23', // node, 35 bytes
        '0a0178', // input "x"
        '120179', // output "y"
        '1a016e', // name "n"
        '22034e6567', // op_type "Neg"
        '2a11', // attribute, 17 bytes
        '0a0161', // name "a"
        '18ffffffffffffffffff01', // i -1
        'a00102', // type INT
        '3a00', // domain ""
        '120167', // graph name "g"
        '2a33', // initializer, 51 bytes
        '0802', // dims 2
        '1002', // data_type UINT8
        '420177', // name "w"
        '6a0d0a086c6f636174696f6e120166', // external_data location "f"
        '6a0c0a066f666673657412023634', // offset "64"
        '6a0b0a066c656e677468120132', // length "2"
        '7001', // data_location EXTERNAL
        '5a14', // input, 20 bytes
        '0a0178', // name "x"
        '120f0a0d080112090a031201', // type, tensor_type, elem_type FLOAT, shape, dim
        '6e', // dim_param "n"
        '0a020803', // dim_value 3
        '42040a001015', // opset "" 21
        '42110a0d636f6d2e6d6963726f736f66741001', // opset com.microsoft 1
      ].join(''),
    );
  });
});

describe('the graph builder', () => {
  it('refuses two nodes of one name', () => {
    const graph = new GraphBuilder('g');
    graph.op('/a', 'Neg', ['x']);
    assert.throws(() => graph.op('/a', 'Neg', ['y']), /Two nodes are named \/a\/Neg/);
  });

  it('shares constants by value and names outputs after their node', () => {
    const graph = new GraphBuilder('g');
    assert.equal(graph.op('/model/layers.0', 'Neg', ['x']), '/model/layers.0/Neg/output_0');
    assert.equal(graph.int64s([0, -1]), graph.int64s([0, -1]));
    assert.notEqual(graph.int64s([1]), graph.int64s([1], []));
    assert.notEqual(graph.int64s([1]), graph.float32s([1]));
  });
});
