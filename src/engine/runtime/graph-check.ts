import { DECODER_IO, EMBED_IO, VISION_IO } from '../../package/graph-io.ts';
import { RuntimeError, type Session } from './session.ts';

export type GraphKind = 'vision' | 'embed' | 'decoder' | 'prefill';

interface GraphNames {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * Refuses a graph that does not have exactly the tensors its kind is run with, before the first request finds out.
 * @param file the graph's name, for the error
 * @throws RuntimeError naming what is missing or left over
 */
export function checkGraph(
  session: Session,
  { kind, file, numLayers }: { kind: GraphKind; file: string; numLayers: number },
): void {
  const { inputs, outputs } = expectedNames(kind, numLayers);
  compare(`${file}'s inputs`, session.inputNames, inputs);
  compare(`${file}'s outputs`, session.outputNames, outputs);
}

function expectedNames(kind: GraphKind, numLayers: number): GraphNames {
  if (kind === 'vision') return { inputs: [VISION_IO.tiles], outputs: [VISION_IO.features] };
  if (kind === 'embed') return { inputs: [EMBED_IO.inputIds], outputs: [EMBED_IO.embeddings] };
  const layers = Array.from({ length: numLayers }, (_, layer) => layer);
  const { inputsEmbeds, seqlensK, totalSequenceLength, logitIndices, logits } = DECODER_IO;
  return {
    inputs: [
      inputsEmbeds,
      seqlensK,
      totalSequenceLength,
      logitIndices,
      ...layers.flatMap((layer) => [DECODER_IO.pastKey(layer), DECODER_IO.pastValue(layer)]),
    ],
    outputs: [
      logits,
      ...layers.flatMap((layer) => [DECODER_IO.presentKey(layer), DECODER_IO.presentValue(layer)]),
    ],
  };
}

function compare(what: string, found: readonly string[], expected: readonly string[]): void {
  const missing = expected.filter((name) => !found.includes(name));
  const extra = found.filter((name) => !expected.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  const complaints = [
    ...(missing.length > 0 ? [`${missing.join(', ')} missing`] : []),
    ...(extra.length > 0 ? [`${extra.join(', ')} not expected`] : []),
  ];
  throw new RuntimeError(`${what} do not match the manifest: ${complaints.join('; ')}.`);
}
