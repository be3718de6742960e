import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { encodeModel } from '../../../src/onnx/model-proto.ts';

describe('encodeModel', () => {
  it('writes the bytes of a reference encoded by hand', () => {
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
