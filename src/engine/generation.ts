import type { TiledImage } from './model-runner.ts';
import type { SamplingParams } from './sampling/params.ts';
import type { Decision, Interventions, ThinkingEnd, ThinkingRequest } from './thinking/decision.ts';
import type { TextPiece, TokenSection } from './thinking/section-parser.ts';

/** Everything the engine needs to generate; checked and complete, no defaults left to fill. */
export interface GenerationRequest {
  readonly id: string;
  /** What the choices and calls of one reply have in common: they go to one engine, which computes their prompt once. */
  readonly group: string;
  /** Whether its client is shown the events as they come; else it is shown nothing before the finish. */
  readonly isStreamed: boolean;
  /** Prompt with every image's placeholder already repeated `numTokens` times. */
  readonly promptTokenIds: Int32Array;
  /** Images in prompt order. */
  readonly images: readonly TiledImage[];
  readonly sampling: SamplingParams;
  /** Most tokens to generate, thinking included. */
  readonly maxTokens: number;
  /** The answer ends before any of these; they are not looked for in the thinking. */
  readonly stop: readonly string[];
  /** Tokens that end the answer and write no text; in the thinking too where stop strings are looked for there. */
  readonly stopTokenIds: readonly number[];
  /** Tokens of the answer before which nothing of the model's may end it; the thinking does not count. */
  readonly minTokens: number;
  /** Lower goes first among those that wait; 0 unless asked otherwise. */
  readonly priority: number;
  /** Most milliseconds from the arrival at the engine to the last token; null for no limit. */
  readonly timeoutMs: number | null;
  /** What the answer is held to, opaque to the engine; null for a free one. */
  readonly grammar: string | null;
  /** Number of alternatives to report per token; null reports no log-probabilities. */
  readonly topLogprobs: number | null;
  readonly thinking: ThinkingRequest;
}

export interface TokenLogprob {
  readonly tokenId: number;
  readonly logprob: number;
}

/** `timeout`: the request's time was over; what was generated until then stands. */
export type FinishReason = 'stop' | 'length' | 'timeout' | 'abort' | 'error';

export interface TokenUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly imageTokens: number;
  /** Every generated token, the end-of-turn token included. */
  readonly completionTokens: number;
  /** Generated tokens up to and including the block's closing tag, without those of a preamble. */
  readonly reasoningTokens: number;
  /** Generated tokens of the preamble, in which some families weigh the question first; neither thinking nor answer. */
  readonly preambleTokens: number;
}

/** Milliseconds by phase, on the engine's monotonic clock. */
export interface GenerationTiming {
  readonly queueMs: number;
  readonly visionMs: number;
  readonly prefillMs: number;
  /** Arrival to first token, first answer token; null when there was none. */
  readonly firstTokenMs: number | null;
  readonly firstAnswerMs: number | null;
  readonly thinkingMs: number;
  readonly decodeMs: number;
  readonly totalMs: number;
}

export interface TokenEvent {
  readonly type: 'token';
  readonly tokenId: number;
  /** TokenSection of the close tag the token lies on; the tag itself and its frame belong to the reasoning. */
  readonly section: TokenSection;
  /** Written by the engine (a budget's exit text), not sampled. */
  readonly forced: boolean;
  /** Text that became certain with this token; may lag behind the token (held-back tags, stop strings, characters). */
  readonly pieces: readonly TextPiece[];
  readonly logprob: number | null;
  readonly topLogprobs: readonly TokenLogprob[] | null;
}

export interface FinishEvent {
  readonly type: 'finish';
  readonly reason: FinishReason;
  /** Stop string that matched, if one did. */
  readonly stopString: string | null;
  readonly thinkingEnd: ThinkingEnd | null;
  readonly interventions: Interventions;
  readonly budget: { readonly asked: number | null; readonly effective: number | null };
  /** Text held back until the end. */
  readonly pieces: readonly TextPiece[];
  readonly usage: TokenUsage;
  readonly timing: GenerationTiming;
  /** Set when reason is `error`: a sentence safe to show. */
  readonly message: string | null;
  /** What went wrong inside, for the operator's log only. */
  readonly detail: string | null;
}

export interface DecisionEvent extends Decision {
  readonly type: 'decision';
}

/** Everything that comes back from the engine, in order; ends with exactly one `finish`. */
export type GenerationEvent = DecisionEvent | TokenEvent | FinishEvent;

/** What the engine has done since it was started; nothing in here ever falls. */
export interface EngineTotals {
  /** Prompt tokens looked up among cached prefixes, and those found. */
  readonly prefixQueries: number;
  readonly prefixHits: number;
  /** Images looked up among those encoded before, and those found. */
  readonly imageQueries: number;
  readonly imageHits: number;
  readonly steps: number;
  readonly stepMs: number;
  /** Rows of all decode batches; divided by `steps` the mean batch. */
  readonly decodedTokens: number;
  /** Prompt tokens that were computed, not taken over. */
  readonly prefilledTokens: number;
  readonly encodedTiles: number;
  readonly visionMs: number;
  /** Tokens that were guessed from the text so far, and those of them that came. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  /** Thinkers that gave their slot back to a request that might be short. */
  readonly preemptions: number;
  /** Requests that were ended from outside before their own end. */
  readonly aborted: number;
}

export const NO_TOTALS: EngineTotals = {
  prefixQueries: 0,
  prefixHits: 0,
  imageQueries: 0,
  imageHits: 0,
  steps: 0,
  stepMs: 0,
  decodedTokens: 0,
  prefilledTokens: 0,
  encodedTiles: 0,
  visionMs: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  preemptions: 0,
  aborted: 0,
};

/** An engine at this moment, and what it has done until now. */
export interface EngineCounts {
  readonly numRunning: number;
  readonly numWaiting: number;
  /** Running sequences that think, or were asked to, and are not at their answer yet. */
  readonly numThinking: number;
  /** Tokens held in the cache ÷ tokens it can hold. */
  readonly kvCacheUsage: number;
  readonly totals: EngineTotals;
}
