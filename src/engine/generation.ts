import type { ThinkingMode } from '../model-package/protocol.ts';
import type { SamplingParams } from '../sampling/params.ts';
import type { TiledImage } from './model-runner.ts';

/** Where the generated text starts: before any tag, inside an open block, or after the block was closed. */
export type StartSection = 'outside' | 'block' | 'answer';

/** Everything the engine needs to generate; checked and complete, no defaults left to fill. */
export interface GenerationRequest {
  readonly id: string;
  /** Prompt with every picture's placeholder already repeated `numTokens` times. */
  readonly promptTokenIds: Int32Array;
  /** Pictures in prompt order. */
  readonly images: readonly TiledImage[];
  readonly sampling: SamplingParams;
  /** Most tokens to generate, thinking included. */
  readonly maxTokens: number;
  /** The answer ends before any of these; they are not looked for in the thinking. */
  readonly stop: readonly string[];
  /** Number of alternatives to report per token; null reports no log-probabilities. */
  readonly topLogprobs: number | null;
  readonly thinking: ThinkingRequest;
}

export interface ThinkingRequest {
  readonly requested: ThinkingMode;
  /** Who chose a forced mode. */
  readonly source: 'request' | 'policy' | 'prompt';
  readonly start: StartSection;
  /** Most thinking tokens; null leaves it to the model. */
  readonly budget: number | null;
  /** Tokens of maxTokens kept for the answer. */
  readonly answerFloor: number;
}

/** Section of a piece of text. `frame` is protocol text: tags and the white space around them. */
export type Section = 'reasoning' | 'answer' | 'frame';

export interface TextPiece {
  readonly section: Section;
  readonly text: string;
}

export interface TokenLogprob {
  readonly tokenId: number;
  readonly logprob: number;
}

/** What the model chose, or was made to do. Sent once per request, as soon as it is known. */
export interface Decision {
  readonly requested: ThinkingMode;
  readonly mode: 'think' | 'fast';
  readonly source: 'model' | 'request' | 'policy' | 'prompt' | 'budget';
  /** P(think) / (P(think) + P(fast)) from the raw logits at the decision point; null where the mode was forced. */
  readonly pThink: number | null;
  /** Probability mass on neither. */
  readonly residual: number | null;
}

export type FinishReason = 'stop' | 'length' | 'abort' | 'error';
/** Why the thinking ended; null when there was none. */
export type ThinkingEnd = 'natural' | 'budget' | 'max_tokens' | 'stop' | 'abort' | 'error';

export interface GenerationUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly imageTokens: number;
  /** Every generated token, the end-of-turn token included. */
  readonly completionTokens: number;
  /** Generated tokens up to and including the block's closing tag. */
  readonly reasoningTokens: number;
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
  /** Side of the close tag the token lies on; the tag itself and its frame belong to the reasoning. */
  readonly side: 'reasoning' | 'answer';
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
  readonly budget: { readonly asked: number | null; readonly effective: number | null };
  /** Text held back until the end. */
  readonly pieces: readonly TextPiece[];
  readonly usage: GenerationUsage;
  readonly timing: GenerationTiming;
  /** Set when reason is `error`: a sentence safe to show. */
  readonly message: string | null;
}

export interface DecisionEvent extends Decision {
  readonly type: 'decision';
}

/** Everything that comes back from the engine, in order; ends with exactly one `finish`. */
export type GenerationEvent = DecisionEvent | TokenEvent | FinishEvent;

/** Counters of the engine for metrics and readiness. */
export interface EngineStatus {
  readonly state: 'loading' | 'ready' | 'restarting' | 'failed';
  readonly numRunning: number;
  readonly numWaiting: number;
  /** Tokens held in the cache ÷ tokens it can hold. */
  readonly kvCacheUsage: number;
  readonly restarts: number;
}

/** The engine as the server sees it. Implemented by the process client; tests put a fake here. */
export interface EngineClient {
  /** Aborting `signal` stops the work within one step and ends the stream with finish reason `abort`. */
  generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  status(): EngineStatus;
  readonly limits: { readonly slotCapacity: number; readonly vocabSize: number };
}

/** Refusal at the engine's door. */
export class EngineUnavailableError extends Error {
  override readonly name = 'EngineUnavailableError';
  readonly reason: 'queue_full' | 'not_ready';
  readonly retryAfterSeconds: number;
  constructor(reason: 'queue_full' | 'not_ready', retryAfterSeconds: number) {
    super(reason === 'queue_full' ? 'The waiting queue is full.' : 'The engine is not ready.');
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
