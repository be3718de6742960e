import type { DeadlineView } from './deadline.ts';
import type { Entry } from './entry.ts';
import type { RunningView, WaitingView } from './scheduler.ts';

/** A waiting sequence as the scheduler sees it. */
export function waitingViewOf({ sequence, clock }: Entry): WaitingView {
  const { id, outlook, request } = sequence;
  return { id, outlook, arrivedMs: clock.arrivedMs, priority: request.priority };
}

/** A running sequence as the scheduler sees it. */
export function viewOf({ sequence }: Entry): RunningView {
  const [image] = sequence.imagesToEncode;
  const phase = image !== undefined ? 'vision' : sequence.isDecoding ? 'decode' : 'prefill';
  return {
    id: sequence.id,
    phase,
    numTilesLeft: image === undefined ? 0 : image.source.numTiles - image.numEncoded,
    numPromptTokensLeft: sequence.numToPrefill - sequence.numCached,
    thinks: sequence.thinks,
    // Once is enough: nobody computes the same again and again.
    parkingCost: sequence.wasParked ? null : sequence.numCached,
  };
}

/** @param exitTokens of the text that ends the thinking */
export function deadlineViewOf({ sequence, clock }: Entry, exitTokens: number): DeadlineView {
  const { timeoutMs, thinking } = sequence.request;
  return {
    timeoutMs,
    elapsedMs: clock.elapsedMs,
    answerTokens: exitTokens + thinking.answerFloor,
    msPerToken: clock.msPerToken(sequence.numGenerated),
  };
}
