import type { RunningView } from './scheduler.ts';
import type { Sequence } from './sequence.ts';

/** A running sequence as the scheduler sees it. */
export function viewOf(sequence: Sequence): RunningView {
  const [image] = sequence.imagesToEncode;
  const phase = image !== undefined ? 'vision' : sequence.isDecoding ? 'decode' : 'prefill';
  return {
    id: sequence.id,
    phase,
    numTilesLeft: image === undefined ? 0 : image.source.numTiles - image.numEncoded,
    numPromptTokensLeft: sequence.numPromptTokens - sequence.numPrefilled,
  };
}
