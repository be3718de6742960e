/** The head in pieces of the vocabulary, to bound memory. */

import { DECODER_IO } from '../../package/graph-io.ts';
import { LM_HEAD } from '../checkpoint/expected-tensors.ts';
import type { ModelTensors } from '../checkpoint/match-tensors.ts';
import type { CheckpointTensor } from '../checkpoint/safetensors.ts';
import type { TextConfig } from '../config/model-config.ts';
import type { GraphRun } from './temporary-graph.ts';

/** Rows of the head per piece. */
const PIECE = 16_384;

/** Rows `first` to `first + count - 1` of the head. */
export interface HeadPiece {
  readonly first: number;
  readonly count: number;
}

export function headPieces(vocabSize: number): HeadPiece[] {
  return Array.from({ length: Math.ceil(vocabSize / PIECE) }, (_, index) => {
    const first = index * PIECE;
    return { first, count: Math.min(PIECE, vocabSize - first) };
  });
}

/**
 * A run of the head's graph on every row of a stream.
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

/** The same tensors with only some rows of the head. Blocks never span rows, so the piece is quantised as the whole. */
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
