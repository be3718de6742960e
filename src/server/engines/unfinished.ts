import type { FinishEvent, GenerationRequest, GenerationTiming } from '../../engine/generation.ts';

const NO_TIMING: GenerationTiming = {
  queueMs: 0,
  visionMs: 0,
  prefillMs: 0,
  firstTokenMs: null,
  firstAnswerMs: null,
  thinkingMs: 0,
  decodeMs: 0,
  totalMs: 0,
};

/**
 * The finish of a request that no engine came to finish.
 * @param message what its client is told; null where it left by itself
 */
export function unfinished(request: GenerationRequest, message: string | null): FinishEvent {
  const reason = message === null ? 'abort' : 'error';
  return {
    type: 'finish',
    reason,
    stopString: null,
    thinkingEnd: reason,
    interventions: { extensions: 0, loopBreaks: 0 },
    budget: { asked: request.thinking.budget, effective: null },
    pieces: [],
    usage: {
      promptTokens: request.promptTokenIds.length,
      cachedTokens: 0,
      imageTokens: request.images.reduce((sum, image) => sum + image.numTokens, 0),
      completionTokens: 0,
      reasoningTokens: 0,
      preambleTokens: 0,
    },
    timing: NO_TIMING,
    message,
    detail: null,
  };
}
