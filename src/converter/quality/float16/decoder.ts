/** Prompts through the decoder in three ways, with one layer, or one piece of the head, in memory at a time. */

import type { StreamType } from '../../../package/manifest.ts';
import { headGraph, singleLayerGraph } from '../../graphs/decoder-graph.ts';
import { headPieces, headRun, withHeadPiece } from '../head-piece.ts';
import type { LayerOptions } from '../layer-errors.ts';
import { layerRun } from '../layer-run.ts';
import type { LargestValues } from './largest-values.ts';
import { mapWays, runThreefold, type Threefold, threefoldRoom, WAYS } from './threefold.ts';

export interface DecoderTrial extends LayerOptions {
  /** Type of the residual stream in the GPU's graph. */
  readonly stream: StreamType;
  readonly largest: LargestValues;
}

/** @param before the residual stream of every prompt, [numTokens, hiddenSize]. @returns them after the layer */
export async function threefoldLayer(
  { graphs, tensors, text, precision, stream, largest }: DecoderTrial,
  layer: number,
  before: readonly Threefold<Float32Array>[],
): Promise<Threefold<Float32Array>[]> {
  const after = before.map(({ exact }) => threefoldRoom(exact.length));
  const found = await runThreefold(
    graphs,
    tensors,
    {
      ...{ form: precision, stream },
      build: (options) => singleLayerGraph({ ...options, text }, layer),
    },
    mapWays((way) =>
      before.map((streams, prompt) => layerRun(text, layer, streams[way], after[prompt]![way])),
    ),
  );
  largest.add('decoder', found);
  if (stream === 'float32') {
    for (const { stored } of after) largest.addStream(layer, stored);
  }
  return after;
}

/**
 * @param streams the residual stream at one position of every prompt, [numPrompts, hiddenSize]
 * @returns the logits there, [numPrompts, vocabSize]
 */
export async function threefoldHead(
  { graphs, tensors, text, precision, stream, largest }: DecoderTrial,
  streams: Threefold<Float32Array>,
): Promise<Threefold<Float32Array>> {
  const numRows = streams.exact.length / text.hiddenSize;
  const logits = threefoldRoom(numRows * text.vocabSize);
  for (const piece of headPieces(text.vocabSize)) {
    const head = mapWays((way) => headRun(text, piece, streams[way]));
    const shape = { ...text, vocabSize: piece.count };
    const found = await runThreefold(
      graphs,
      withHeadPiece(tensors, piece),
      { form: precision, stream, build: (options) => headGraph({ ...options, text: shape }) },
      mapWays((way) => [head[way].run]),
    );
    largest.add('decoder', found);
    for (const way of WAYS) {
      for (let row = 0; row < numRows; row++) {
        const part = head[way].logits.subarray(row * piece.count, (row + 1) * piece.count);
        logits[way].set(part, row * text.vocabSize + piece.first);
      }
    }
  }
  return logits;
}
