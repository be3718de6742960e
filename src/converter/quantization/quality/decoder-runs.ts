import { DECODER_IO } from '../../../package/graph-io.ts';
import { LM_HEAD } from '../../checkpoint/expected-tensors.ts';
import type { ModelTensors } from '../../checkpoint/match-tensors.ts';
import type { CheckpointTensor } from '../../checkpoint/safetensors.ts';
import type { TextConfig } from '../../config/text-config.ts';
import { LAYER_OUTPUT } from '../../onnx/decoder-graph.ts';
import type { GraphRun } from './temporary-graph.ts';

/**
 * Feeds and fetches of a single layer's graph for a whole sequence, with an empty float32 KV cache.
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

/** Rows of the head per piece; the head runs in pieces of the vocabulary to bound memory. */
const PIECE = 16_384;

/** Rows `first` to `first + count - 1` of the head. */
export interface HeadPiece {
  readonly first: number;
  readonly count: number;
}

/** Divides the vocabulary into pieces. */
export function headPieces(vocabSize: number): HeadPiece[] {
  return Array.from({ length: Math.ceil(vocabSize / PIECE) }, (_, index) => {
    const first = index * PIECE;
    return { first, count: Math.min(PIECE, vocabSize - first) };
  });
}

/**
 * Feeds and fetches of the head's graph for every row of a stream.
 * @param stream float32 [numRows, hiddenSize]
 * @returns the run, and the logits [numRows, count] that it fills
 */
export function headRun(
  { hiddenSize }: Pick<TextConfig, 'hiddenSize'>,
  { count }: HeadPiece,
  stream: Float32Array,
): { run: GraphRun; logits: Float32Array } {
  const numRows = stream.length / hiddenSize;
  const logits = new Float32Array(numRows * count);
  const rows = BigInt64Array.from({ length: numRows }, (_, row) => BigInt(row));
  const dims = [1, numRows, hiddenSize];
  const run: GraphRun = {
    feeds: {
      [DECODER_IO.inputsEmbeds]: { type: 'float32', dims, data: stream },
      [DECODER_IO.logitIndices]: { type: 'int64', dims: [numRows], data: rows },
    },
    fetches: {
      [DECODER_IO.logits]: { type: 'float32', dims: [numRows, count], data: logits },
    },
  };
  return { run, logits };
}

/** The same tensors with only some rows of the head. Blocks never span rows, so a piece has the values of the whole. */
export function withHeadPiece(tensors: ModelTensors, { first, count }: HeadPiece): ModelTensors {
  const head = tensors.get(LM_HEAD);
  const columns = head.shape[1]!;
  const piece: CheckpointTensor = {
    name: `${head.name}[${first}:${first + count}]`,
    dtype: head.dtype,
    shape: [count, columns],
    numElements: count * columns,
    bytes: (head.bytes / head.numElements) * count * columns,
    read: (start, length) => head.read(first * columns + start, length),
  };
  return { ...tensors, get: (name) => (name === LM_HEAD ? piece : tensors.get(name)) };
}
