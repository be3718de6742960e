/** What quantisation does to the logits. The head is taken in pieces of the vocabulary, to bound memory. */
import { LM_HEAD } from '../exporter/checkpoint/expected-tensors.ts';
import type { ModelTensors } from '../exporter/checkpoint/match-tensors.ts';
import type { CheckpointTensor } from '../exporter/checkpoint/safetensors.ts';
import { headGraph } from '../exporter/graphs/decoder-graph.ts';
import { CPU_TARGET } from '../exporter/graphs/graph-context.ts';
import { DECODER_IO } from '../model-package/graph-io.ts';
import type { Precision } from '../model-package/manifest.ts';
import { LogitComparison, type LogitError } from './distances.ts';
import type { LayerOptions, Streams } from './layer-errors.ts';
import { type GraphRun, runTemporaryGraph } from './temporary-graph.ts';

/** Rows of the head per piece. */
const PIECE = 16_384;

/** @param streams the residual streams after the last layer */
export async function measureLogits(options: LayerOptions, streams: Streams): Promise<LogitError> {
  const { text } = options;
  const numTokens = streams.exact.length / text.hiddenSize;
  const comparison = new LogitComparison(numTokens);
  for (let first = 0; first < text.vocabSize; first += PIECE) {
    const count = Math.min(PIECE, text.vocabSize - first);
    const piece: Piece = { first, count };
    const exact = await pieceLogits(options, piece, { form: 'fp32', stream: streams.exact });
    const { precision: form } = options;
    const quantized = await pieceLogits(options, piece, { form, stream: streams.quantized });
    comparison.add(exact, quantized);
  }
  return comparison.result();
}

interface Piece {
  readonly first: number;
  readonly count: number;
}

async function pieceLogits(
  { graphs, tensors, text }: LayerOptions,
  piece: Piece,
  { form, stream }: { form: Precision; stream: Float32Array },
): Promise<Float32Array> {
  const numTokens = stream.length / text.hiddenSize;
  const logits = new Float32Array(numTokens * piece.count);
  const rows = BigInt64Array.from({ length: numTokens }, (_, row) => BigInt(row));
  const dims = [1, numTokens, text.hiddenSize];
  const run: GraphRun = {
    feeds: {
      [DECODER_IO.inputsEmbeds]: { type: 'float32', dims, data: stream },
      [DECODER_IO.logitIndices]: { type: 'int64', dims: [numTokens], data: rows },
    },
    fetches: {
      [DECODER_IO.logits]: { type: 'float32', dims: [numTokens, piece.count], data: logits },
    },
  };
  const shape = { ...text, vocabSize: piece.count };
  const head = withHeadPiece(tensors, piece);
  await runTemporaryGraph(
    graphs,
    head,
    (weights) => headGraph({ weights, form, text: shape, target: CPU_TARGET }),
    [run],
  );
  return logits;
}

/** The same tensors with only some rows of the head. Blocks never span rows, so the piece is quantised as the whole. */
function withHeadPiece(tensors: ModelTensors, { first, count }: Piece): ModelTensors {
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
