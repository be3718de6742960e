/** The embedding graph: token ids in, rows of the table out. */

import { EMBED_IO } from '../../package/graph-io.ts';
import type { BlockSize, Precision } from '../../package/manifest.ts';
import { EMBEDDING } from '../checkpoint/expected-tensors.ts';
import type { Bits } from '../quantization/block-quantizer.ts';
import type { WeightStore } from '../weights/weight-store.ts';
import { GraphBuilder } from './graph-builder.ts';
import { castToFloat } from './operators.ts';

/**
 * Precision of the embedding table. A tied table shares the head's bytes. An untied table costs only disk space, because
 * a step reads few of its rows, so an int4 package stores it with 8 bits. A table whose row length is not a multiple of
 * the block size is float32.
 */
export function embeddingForm(
  precision: Precision,
  { hiddenSize, tied, blockSize }: { hiddenSize: number; tied: boolean; blockSize: BlockSize },
): Precision {
  if (precision === 'fp32' || precision === 'fp16') return precision;
  if (hiddenSize % blockSize !== 0) return 'fp32';
  return tied ? precision : 'int8';
}

export function embedGraph(weights: WeightStore, form: Precision): GraphBuilder {
  const graph = new GraphBuilder('embed');
  const { columns } = weights.matrix(EMBEDDING);
  const ids = graph.input(EMBED_IO.inputIds, 'int64', ['tokens']);
  graph.identity(gatherRows({ graph, weights, form }, ids), EMBED_IO.embeddings);
  graph.output(EMBED_IO.embeddings, 'float32', ['tokens', columns]);
  return graph;
}

function gatherRows(
  context: { graph: GraphBuilder; weights: WeightStore; form: Precision },
  ids: string,
): string {
  const { graph, weights, form } = context;
  const path = '/model/embed_tokens';
  const shape = weights.shape(EMBEDDING);
  switch (form) {
    case 'fp32': {
      const table = graph.weight(EMBEDDING, 'float32', shape, weights.float32(EMBEDDING));
      return graph.op(path, 'Gather', [table, ids], { axis: { int: 0 } });
    }
    case 'fp16': {
      const at = weights.float16(EMBEDDING, { transposed: false });
      const table = graph.weight(EMBEDDING, 'float16', shape, at);
      const rows = graph.op(path, 'Gather', [table, ids], { axis: { int: 0 } });
      return castToFloat(graph, path, rows);
    }
    case 'int8':
      return gatherBlocks(context, ids, 8);
    case 'int4':
      return gatherBlocks(context, ids, 4);
  }
}

function gatherBlocks(
  { graph, weights }: { graph: GraphBuilder; weights: WeightStore },
  ids: string,
  bits: Bits,
): string {
  const { rows, columns } = weights.matrix(EMBEDDING);
  const { values, scales } = weights.quantized(EMBEDDING, bits);
  const bytesPerRow = (columns * bits) / 8;
  const packed = graph.weight(`${EMBEDDING}.int${bits}`, 'uint8', [rows, bytesPerRow], values);
  const shape = [rows, columns / weights.blockSize];
  const scale = graph.weight(`${EMBEDDING}.scales`, 'float32', shape, scales);
  return graph.op('/model/embed_tokens', 'GatherBlockQuantized', [packed, ids, scale], {
    bits: { int: bits },
    block_size: { int: weights.blockSize },
    gather_axis: { int: 0 },
    quantize_axis: { int: 1 },
  });
}
