import type { ThinkingMode } from '../model-package/protocol.ts';

/** Where the generated text starts: before any tag, inside an open block, or after the block was closed. */
export type StartSection = 'outside' | 'block' | 'answer';

/** What a request asks of the thinking; complete, no defaults left to fill. */
export interface ThinkingRequest {
  readonly requested: ThinkingMode;
  /** Who chose `requested`. */
  readonly source: 'request' | 'policy' | 'prompt';
  readonly start: StartSection;
  /** Most thinking tokens; null leaves it to the model. */
  readonly budget: number | null;
  /** Tokens of the request's maximum that are kept for the answer. */
  readonly answerFloor: number;
}

/** What the model chose, or was made to do. */
export interface Decision {
  readonly requested: ThinkingMode;
  readonly mode: 'think' | 'fast';
  readonly source: 'model' | 'request' | 'policy' | 'prompt' | 'budget';
  /** P(think) / (P(think) + P(fast)) from the raw logits at the decision point; null where nothing was measured. */
  readonly pThink: number | null;
  /** Probability mass on neither; null where nothing was measured. */
  readonly residual: number | null;
}

/** Why the thinking ended: the model closed it, or what closed it instead. */
export type ThinkingEnd = 'natural' | 'budget' | 'max_tokens' | 'stop' | 'abort' | 'error';
