import type { TiledImage } from './model-runner.ts';
import type { SamplingParams } from './sampling/params.ts';
import type { Decision, Interventions, ThinkingEnd, ThinkingRequest } from './thinking/decision.ts';
import type { TextPiece, TokenSection } from './thinking/section-parser.ts';

/** A request to the engine. Validated and complete: every default is filled in. */
export interface GenerationRequest {
  readonly id: string;
  /** Shared by all choices and calls of one reply. They run on one engine, which computes their prompt once. */
  readonly group: string;
  /** Whether the client receives events as they come. Otherwise it receives nothing before the finish. */
  readonly isStreamed: boolean;
  /** Prompt, with the placeholder of each image repeated `numTokens` times. */
  readonly promptTokenIds: Int32Array;
  /** Images in prompt order. */
  readonly images: readonly TiledImage[];
  readonly sampling: SamplingParams;
  /** Most tokens to generate, including the thinking. */
  readonly maxTokens: number;
  /** The answer ends before the first of these. The thinking is not searched. */
  readonly stop: readonly string[];
  /** Tokens that end the answer and write no text. They apply to the thinking if stop strings do. */
  readonly stopTokenIds: readonly number[];
  /** Least length of the answer in tokens; the thinking does not count. */
  readonly minTokens: number;
  /** Lower values run first; 0 is the default. */
  readonly priority: number;
  /** Most milliseconds from arrival at the engine to the last token; null for no limit. */
  readonly timeoutMs: number | null;
  /** Grammar of the answer, opaque to the engine; null for a free answer. */
  readonly grammar: string | null;
  /** Number of alternatives reported per token; null reports no log-probabilities. */
  readonly topLogprobs: number | null;
  readonly thinking: ThinkingRequest;
}

export interface TokenLogprob {
  readonly tokenId: number;
  readonly logprob: number;
}

/** `timeout`: the time limit passed; the tokens generated until then are valid. */
export type FinishReason = 'stop' | 'length' | 'timeout' | 'abort' | 'error';

export interface TokenUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly imageTokens: number;
  /** All generated tokens, including the end-of-turn token. */
  readonly completionTokens: number;
  /** Generated tokens up to and including the close tag of the block, without the preamble. */
  readonly reasoningTokens: number;
  /** Generated tokens of the preamble, which is neither thinking nor answer. */
  readonly preambleTokens: number;
}

/** Milliseconds by phase, on the engine's monotonic clock. */
export interface GenerationTiming {
  readonly queueMs: number;
  readonly visionMs: number;
  readonly prefillMs: number;
  /** Arrival to first token, and to first answer token; null without one. */
  readonly firstTokenMs: number | null;
  readonly firstAnswerMs: number | null;
  readonly thinkingMs: number;
  readonly decodeMs: number;
  readonly totalMs: number;
}

export interface TokenEvent {
  readonly type: 'token';
  readonly tokenId: number;
  /** Section that the token counts for. The close tag and its white space count for the reasoning. */
  readonly section: TokenSection;
  /** Written by the engine, as the exit text of a budget is; not sampled. */
  readonly forced: boolean;
  /** Text that is certain after this token. It may lag behind: possible tags, stop strings and split characters wait. */
  readonly pieces: readonly TextPiece[];
  readonly logprob: number | null;
  readonly topLogprobs: readonly TokenLogprob[] | null;
}

export interface FinishEvent {
  readonly type: 'finish';
  readonly reason: FinishReason;
  /** Stop string that ended the answer; null without one. */
  readonly stopString: string | null;
  readonly thinkingEnd: ThinkingEnd | null;
  readonly interventions: Interventions;
  readonly budget: { readonly asked: number | null; readonly effective: number | null };
  /** Text that was held back until the end. */
  readonly pieces: readonly TextPiece[];
  readonly usage: TokenUsage;
  readonly timing: GenerationTiming;
  /** Sentence for the client; set when reason is `error`. */
  readonly message: string | null;
  /** Cause of an error, for the operator's log only. */
  readonly detail: string | null;
}

export interface DecisionEvent extends Decision {
  readonly type: 'decision';
}

/** Events of a request, in order. The last one is the only `finish`. */
export type GenerationEvent = DecisionEvent | TokenEvent | FinishEvent;

/** Counters since the start of the engine. */
export interface EngineTotals {
  /** Prompt tokens searched in the prefix cache, and those found. */
  readonly prefixQueries: number;
  readonly prefixHits: number;
  /** Images searched in the feature cache, and those found. */
  readonly imageQueries: number;
  readonly imageHits: number;
  readonly steps: number;
  readonly stepMs: number;
  /** Rows of all decode batches. Divided by `steps`: the mean batch size. */
  readonly decodedTokens: number;
  /** Prompt tokens that were computed, not reused. */
  readonly prefilledTokens: number;
  readonly encodedTiles: number;
  readonly visionMs: number;
  /** Draft tokens of speculative decoding, and those accepted. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  /** Thinking sequences that lost their slot to a request that might be short. */
  readonly preemptions: number;
  /** Requests that were aborted by client or server. */
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

/** Load of an engine at this moment, with its counters. */
export interface EngineCounts {
  readonly numRunning: number;
  readonly numWaiting: number;
  /** Running sequences that think or will think, and are not at their answer yet. */
  readonly numThinking: number;
  /** Tokens in the KV cache ÷ its capacity. */
  readonly kvCacheUsage: number;
  readonly totals: EngineTotals;
}
