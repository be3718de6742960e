import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import {
  dequantizeWholeRows,
  quantizeWholeRows,
} from '../../../../src/converter/quantization/channel-quantizer.ts';
import { Random } from '../../../helpers/random.ts';

describe('per-channel int8 rows', () => {
  it('have an error of at most half a step of their own scale', () => {
    const random = new Random(3);
    const columns = 37;
    const sizes = [1, 1000, 1e-6];
    const weights = Float32Array.from({ length: sizes.length * columns }, (_, i) => {
      return (random.next() - 0.5) * sizes[Math.floor(i / columns)]!;
    });
    const quantized = quantizeWholeRows(weights, columns);
    const back = dequantizeWholeRows(quantized, columns);
    for (const [row, size] of sizes.entries()) {
      const values = weights.subarray(row * columns, (row + 1) * columns);
      const largest = Math.max(...values.map(Math.abs));
      assert.ok(largest > size / 4);
      for (const [i, value] of values.entries()) {
        const error = Math.abs(back[row * columns + i]! - value);
        assert.ok(error <= (0.5001 * largest) / 127, `${error} of ${largest}`);
      }
    }
  });

  it('reach 127 and never -128, and leave a row of zeros alone', () => {
    const { values, scales } = quantizeWholeRows(Float32Array.of(-4, 2, 4, 1, 0, 0, 0, 0), 4);
    assert.deepEqual([...values], [-127, 64, 127, 32, 0, 0, 0, 0]);
    assert.deepEqual([...scales], [Math.fround(4 / 127), 0]);
  });
});
