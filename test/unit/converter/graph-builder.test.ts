import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { GraphBuilder } from '../../../src/converter/onnx/graph-builder.ts';

describe('GraphBuilder', () => {
  it('rejects two nodes of one name', () => {
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
