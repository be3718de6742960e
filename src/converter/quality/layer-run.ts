import { DECODER_IO } from '../../package/graph-io.ts';
import type { TextConfig } from '../config/model-config.ts';
import { LAYER_OUTPUT } from '../graphs/decoder-graph.ts';
import type { GraphRun } from './temporary-graph.ts';

/**
 * A whole sequence through a single layer's graph, with a cache of float32 that is empty before.
 * @param input, output the residual stream before and after, float32 [numTokens, hiddenSize]
 */
export function layerRun(
  text: TextConfig,
  layer: number,
  input: Float32Array,
  output: Float32Array,
): GraphRun {
  const { hiddenSize, numKvHeads, headDim } = text;
  const numTokens = input.length / hiddenSize;
  const stream = (data: Float32Array) =>
    ({ type: 'float32', dims: [1, numTokens, hiddenSize], data }) as const;
  const cache = () =>
    ({
      type: 'float32',
      dims: [1, numKvHeads, numTokens, headDim],
      data: new Float32Array(numKvHeads * numTokens * headDim),
    }) as const;
  const [keys, values] = [cache(), cache()];
  return {
    feeds: {
      [DECODER_IO.inputsEmbeds]: stream(input),
      [DECODER_IO.seqlensK]: { type: 'int32', dims: [1], data: Int32Array.of(numTokens - 1) },
      [DECODER_IO.totalSequenceLength]: { type: 'int32', dims: [], data: Int32Array.of(numTokens) },
      [DECODER_IO.pastKey(layer)]: keys,
      [DECODER_IO.pastValue(layer)]: values,
    },
    fetches: {
      [LAYER_OUTPUT]: stream(output),
      [DECODER_IO.presentKey(layer)]: keys,
      [DECODER_IO.presentValue(layer)]: values,
    },
  };
}
