import type { DecidedMode, ThinkingMode } from '../../package/protocol.ts';
import type { StartState } from './protocol-grammar.ts';

/**
 * Bias on the model's own choice. All of it applies at the decision point only. A bias is added to the log odds of
 * thinking against a direct answer.
 */
export interface DecisionBias {
  readonly requestBias: number;
  readonly serverBias: number;
  readonly loadBias: number;
  /**
   * Probability from which on the model thinks. At temperature 0 it decides; null takes the likelier mode. Above, the
   * threshold's own log odds are subtracted, so that a threshold of 0.5 changes nothing.
   */
  readonly threshold: number | null;
  /** Where the threshold comes from; the server's policy unless given. */
  readonly thresholdSource?: 'request' | 'policy';
}

/** Thinking settings of a request. Complete: every default is filled in. */
export interface ThinkingRequest {
  readonly requested: ThinkingMode;
  /** Where `requested` comes from. */
  readonly source: 'request' | 'policy' | 'prompt' | 'budget' | 'holdout';
  readonly start: StartState;
  /** Most thinking tokens; null sets no limit. */
  readonly budget: number | null;
  /** Text that ends the thinking, in place of the protocol's; it must contain the close tag. */
  readonly exit?: readonly number[];
  /** Tokens of `maxTokens` reserved for the answer. */
  readonly answerFloor: number;
  /** Mode that a soft switch in the prompt asks for; null or absent without one. */
  readonly softSwitch?: DecidedMode | null;
  /** Absent: no bias. */
  readonly decisionBias?: DecisionBias;
  /** How often the model's own end of thinking is replaced by the protocol's extension text. */
  readonly extensions?: number;
  /** Close the thinking when it loops. */
  readonly breakLoops?: boolean;
  /** Search the thinking for stop strings too. */
  readonly stopInThinking?: boolean;
}

/** The mode of a generation, with its source. */
export interface Decision {
  readonly requested: ThinkingMode;
  readonly mode: DecidedMode;
  readonly source: 'model' | 'request' | 'policy' | 'prompt' | 'budget' | 'load' | 'holdout';
  /** P(think) / (P(think) + P(fast)) from the raw logits at the decision point; null where nothing was measured. */
  readonly pThink: number | null;
  /**
   * The same after `decisionBias`. At temperature 0 the threshold is compared with it; above, it is the probability of
   * thinking (at temperature 1, before any filter). Null where nothing was measured.
   */
  readonly pThinkBiased: number | null;
  /** Probability of neither mode; null where nothing was measured. */
  readonly residual: number | null;
}

/** Why the thinking ended. `natural`: the model closed it. */
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

/** How often the engine intervened in the thinking. */
export interface Interventions {
  /** Ends of the thinking replaced by the extension text (budget forcing). */
  readonly extensions: number;
  /** Loops that the engine closed. */
  readonly loopBreaks: number;
}
