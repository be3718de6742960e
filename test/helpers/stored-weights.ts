import {
  type BlockFormat,
  dequantizeRows,
  quantizeRows,
} from '../../src/converter/quantization/block-quantizer.ts';
import type { BlockSize, Precision } from '../../src/package/manifest.ts';
import type { RandomCheckpoint } from './random-checkpoint.ts';
import type { Weights } from './transformer-reference.ts';

/** The weights as a package of this precision computes with them. */
export function storedWeights(
  checkpoint: RandomCheckpoint,
  precision: Precision,
  blockSize: BlockSize = 32,
): Weights {
  if (precision === 'fp32' || precision === 'fp16') return checkpoint.weights;
  const isLinear = /(_proj|fc\d|linear_\d)\.weight$/;
  const weights = new Map(checkpoint.weights);
  for (const [name, tensor] of weights) {
    const isHead = name === 'head.weight' || name === 'text.embed_tokens.weight';
    if (!isHead && !isLinear.test(name)) continue;
    const untied = name === 'text.embed_tokens.weight' && weights.has('head.weight');
    const is8 = precision === 'int8' || untied || !/^(text|head)/.test(name);
    const isText = /^(text|head)/.test(name);
    const format: BlockFormat = { bits: is8 ? 8 : 4, blockSize: isText ? blockSize : 32 };
    const columns = tensor.shape[1]!;
    const values = dequantizeRows(quantizeRows(tensor.values, columns, format), columns, format);
    weights.set(name, { ...tensor, values });
  }
  return weights;
}
