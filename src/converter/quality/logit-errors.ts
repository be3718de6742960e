/** What quantisation does to the logits. */

import type { Precision } from '../../package/manifest.ts';
import { headGraph } from '../graphs/decoder-graph.ts';
import { CPU_TARGET } from '../graphs/graph-context.ts';
import { LogitComparison, type LogitError } from './distances.ts';
import { headPieces, headRun, withHeadPiece } from './head-piece.ts';
import type { LayerOptions, Streams } from './layer-errors.ts';
import { type GraphJob, type GraphRun, runTemporaryGraphs } from './temporary-graph.ts';

/** @param streams the residual streams after the last layer */
export async function measureLogits(
  { graphs, tensors, text, precision }: LayerOptions,
  streams: Streams,
): Promise<LogitError> {
  const comparison = new LogitComparison(streams.exact.length / text.hiddenSize);
  for (const piece of headPieces(text.vocabSize)) {
    const shape = { ...text, vocabSize: piece.count };
    const job =
      (form: Precision, run: GraphRun): GraphJob =>
      (weights) => ({
        graph: headGraph({ weights, form, text: shape, target: CPU_TARGET }),
        runs: [run],
      });
    const exact = headRun(text, piece, streams.exact);
    const quantized = headRun(text, piece, streams.quantized);
    await runTemporaryGraphs(graphs, withHeadPiece(tensors, piece), [
      job('fp32', exact.run),
      job(precision, quantized.run),
    ]);
    comparison.add(exact.logits, quantized.logits);
  }
  return comparison.result();
}
