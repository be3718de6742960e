import type { ThinkingMode } from '../../package/protocol.ts';

/**
 * Where the generated text starts, as the prompt's own tags leave it (`replaySuffix` tells): before any tag, inside the
 * preamble, after it, inside an open block, after the block was closed, inside the tags around the answer, or in the
 * midst of an answer that the prompt began (then no tag counts and no line break is taken off).
 */
export type StartSection =
  | 'outside'
  | 'preamble'
  | 'after-preamble'
  | 'block'
  | 'answer'
  | 'answer-tagged'
  | 'answer-text';

/**
 * How somebody leans on the model's own choice. Everything here acts at the decision point alone; a bias is added to
 * the logit of thinking against answering directly.
 */
export interface DecisionBias {
  readonly requestBias: number;
  readonly serverBias: number;
  readonly loadBias: number;
  /**
   * Probability from which on the model is made to think. At temperature 0 it decides (null: the likelier of the two);
   * else it shifts the odds by its own, so that a threshold of 0.5 changes nothing.
   */
  readonly threshold: number | null;
  /** Whose the threshold is; the operator's unless given. */
  readonly thresholdSource?: 'request' | 'policy';
}

/** What a request asks of the thinking; complete, no defaults left to fill. */
export interface ThinkingRequest {
  readonly requested: ThinkingMode;
  /** Who chose `requested`. */
  readonly source: 'request' | 'policy' | 'prompt' | 'budget' | 'holdout';
  readonly start: StartSection;
  /** Most thinking tokens; null leaves it to the model. */
  readonly budget: number | null;
  /** Written where the thinking is ended, in place of the protocol's text; it must hold the close tag. */
  readonly exit?: readonly number[];
  /** Tokens of the request's maximum that are kept for the answer. */
  readonly answerFloor: number;
  /** What words in the prompt ask of a model that follows such words; null or absent where there are none. */
  readonly softSwitch?: 'think' | 'fast' | null;
  /** Absent: the choice is the model's alone. */
  readonly decisionBias?: DecisionBias;
  /** Times the model's own end of thinking is answered with the protocol's extension text. */
  readonly extensions?: number;
  /** Close the thinking when it repeats itself. */
  readonly breakLoops?: boolean;
  /** Look for stop strings in the thinking as well. */
  readonly stopInThinking?: boolean;
}

/** What the model chose, or was made to do. */
export interface Decision {
  readonly requested: ThinkingMode;
  readonly mode: 'think' | 'fast';
  readonly source: 'model' | 'request' | 'policy' | 'prompt' | 'budget' | 'load' | 'holdout';
  /** P(think) / (P(think) + P(fast)) from the raw logits at the decision point; null where nothing was measured. */
  readonly pThink: number | null;
  /**
   * The same after decisionBias: what a threshold is held against at temperature 0, and the share of thinking that is
   * drawn from above (at temperature 1, before any filter). Null where nothing was measured.
   */
  readonly pThinkBiased: number | null;
  /** Probability mass on neither; null where nothing was measured. */
  readonly residual: number | null;
}

/** Why the thinking ended: the model closed it, or what closed it instead. */
export type ThinkingEnd =
  | 'natural'
  | 'budget'
  | 'loop'
  | 'client'
  | 'deadline'
  | 'max_tokens'
  | 'stop'
  | 'abort'
  | 'error';

/** How often the server stepped into a thought. */
export interface Interventions {
  /** Ends of the thinking that became the protocol's word to go on. */
  readonly extensions: number;
  /** Loops that were closed. */
  readonly loopBreaks: number;
}
