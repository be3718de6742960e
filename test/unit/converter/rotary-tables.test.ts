import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { rotaryTables } from '../../../src/converter/onnx/rotary-tables.ts';

describe('the rotary tables', () => {
  it('hold cos and sin of position times frequency', () => {
    const { cos, sin } = rotaryTables({ headDim: 8, maxPositions: 50, ropeTheta: 10_000 });
    for (let position = 0; position < 50; position++) {
      for (let i = 0; i < 4; i++) {
        const angle = position / 10_000 ** ((2 * i) / 8);
        const at = position * 4 + i;
        assert.ok(Math.abs(cos[at]! - Math.cos(angle)) < 4e-6, `cos of ${position}, ${i}`);
        assert.ok(Math.abs(sin[at]! - Math.sin(angle)) < 4e-6, `sin of ${position}, ${i}`);
      }
    }
  });

  it('round frequencies and angles to float32 first, as PyTorch does', () => {
    // torch: inv_freq = 1 / 1e6 ** (arange(0, 128, 2) / 128); cos((inv_freq * position)) for i = 1.
    const { cos } = rotaryTables({ headDim: 128, maxPositions: 40_001, ropeTheta: 1e6 });
    const frequency = Math.fround(1 / Math.fround(1e6 ** (2 / 128)));
    const rounded = Math.cos(Math.fround(frequency * 40_000));
    const unrounded = Math.cos(40_000 / 1e6 ** (2 / 128));
    assert.equal(cos[40_000 * 64 + 1], Math.fround(rounded));
    assert.ok(Math.abs(rounded - unrounded) > 1e-4, 'the rounding is visible at this position');
  });
});
