import type { ThinkingEnd } from '../../../engine/thinking/decision.ts';

/** A turn that a strategy adds to the conversation. */
export interface Turn {
  readonly role: 'assistant' | 'user';
  readonly text: string;
}

/** How one call differs from the request; absent fields do not differ. */
export interface Variant {
  /** Turns after the caller's. */
  readonly turns?: readonly Turn[];
  readonly mode?: 'think' | 'fast';
  /** Added to the seed; equal calls need different numbers. */
  readonly sample?: number;
  readonly maxTokens?: number;
  /** Thinking with which the reply begins; after a closed thought the answer follows. */
  readonly thought?: { readonly text: string; readonly isClosed: boolean };
  /** Most thinking tokens. */
  readonly budget?: number;
  /** Words that end the thinking at the budget, in place of the protocol's. */
  readonly exitWords?: string;
  /** The call ends before any of these in its thinking. */
  readonly stopThinkingAt?: readonly string[];
  /** Whether the call takes the most likely token everywhere and measures its probability. */
  readonly isTrial?: boolean;
}

/** The result of one call. */
export interface Answer {
  /** The answer alone, without thinking. */
  readonly text: string;
  /** The thinking of this call, without the thought that it began with and without the words that ended it at the budget. */
  readonly reasoning: string;
  readonly reasoningTokens: number;
  readonly completionTokens: number;
  /** Why the thinking ended; null when there was none. */
  readonly thinkingEnd: ThinkingEnd | null;
  /** The stop string that ended it; null for none. */
  readonly stopString: string | null;
  /** Whether the answer came to its own end, before any limit. */
  readonly isComplete: boolean;
  /** Geometric mean of the largest probabilities along the answer; null when not measured. */
  readonly confidence: number | null;
}

/** Makes one call. All calls of a strategy share the prompt of the request, and with it the engine's cache. */
export type Generate<A extends Answer> = (variant: Variant) => Promise<A>;

export interface Vote {
  /** The normalised answer. */
  readonly answer: string;
  readonly count: number;
}

/** A trial answer from an unfinished thought. */
export interface Exit {
  /** Thinking tokens before it. */
  readonly position: number;
  readonly answer: string;
  readonly confidence: number | null;
}

/** A thought that several calls made. */
export interface Thought {
  /** The thinking before the chosen call. */
  readonly before: string;
  readonly tokens: number;
  /** Why it ended; `client` when the strategy closed it. */
  readonly endedBy: ThinkingEnd | null;
}

export interface Outcome<A extends Answer> {
  readonly chosen: A;
  /** Calls of one stage ran side by side. */
  readonly stages: readonly (readonly A[])[];
  readonly votes?: readonly Vote[];
  /** Whether the first answers were all the same. */
  readonly agreed?: boolean;
  /** Answers that the last call saw. */
  readonly candidates?: readonly string[];
  /** Notes that the last call saw. */
  readonly workspace?: string;
  readonly exits?: readonly Exit[];
  readonly thought?: Thought;
}

export interface Cost {
  readonly calls: number;
  /** Tokens in sequence: the longest reply of each stage. */
  readonly sequentialTokens: number;
  readonly totalTokens: number;
}

/** Both costs of parallel thinking: the tokens in sequence, and all tokens. */
export function costOf(stages: Outcome<Answer>['stages']): Cost {
  const tokens = stages.map((stage) => stage.map(({ completionTokens }) => completionTokens));
  return {
    calls: tokens.flat().length,
    sequentialTokens: tokens.reduce((sum, stage) => sum + Math.max(0, ...stage), 0),
    totalTokens: tokens.flat().reduce((sum, count) => sum + count, 0),
  };
}

/** `count` samples side by side, numbered from `first`. */
export function samples<A extends Answer>(
  generate: Generate<A>,
  { count, first = 0, ...variant }: Variant & { readonly count: number; readonly first?: number },
): Promise<A[]> {
  const numbers = Array.from({ length: count }, (_, index) => first + index);
  return Promise.all(numbers.map((sample) => generate({ ...variant, sample })));
}
