import type { ThinkingEnd } from '../../../engine/thinking/decision.ts';

/** A turn that a strategy adds to the conversation. */
export interface Turn {
  readonly role: 'assistant' | 'user';
  readonly text: string;
}

/** How one call differs from the request as it came; what is absent stays as it is there. */
export interface Variant {
  /** Turns after the caller's. */
  readonly turns?: readonly Turn[];
  readonly mode?: 'think' | 'fast';
  /** Added to the seed; calls that are otherwise alike need different ones. */
  readonly sample?: number;
  readonly maxTokens?: number;
  /** Thinking the reply begins with; closed, the answer follows. */
  readonly thought?: { readonly text: string; readonly isClosed: boolean };
  /** Most thinking tokens. */
  readonly budget?: number;
  /** Words that end the thinking at the budget, in place of the protocol's. */
  readonly exitWords?: string;
  /** The call ends before any of these in its thinking. */
  readonly stopThinkingAt?: readonly string[];
  /** Takes the likeliest token everywhere and measures how likely it was. */
  readonly isTrial?: boolean;
}

/** What one call gave. */
export interface Answer {
  /** The answer alone, without thinking. */
  readonly text: string;
  /**
   * The thinking of this call. What it was given to begin with is not part of it, and where its budget ended it, the
   * words that did are not.
   */
  readonly reasoning: string;
  readonly reasoningTokens: number;
  readonly completionTokens: number;
  /** Why the thinking ended; null where there was none. */
  readonly thinkingEnd: ThinkingEnd | null;
  /** The stop string it ended at. */
  readonly stopString: string | null;
  /** Whether the answer came to its own end. */
  readonly isComplete: boolean;
  /** Geometric mean of the largest probabilities along the answer; null where they were not measured. */
  readonly confidence: number | null;
}

/** Makes one call. All calls of a strategy share the request's prompt, and so what the engine's cache holds of it. */
export type Generate<A extends Answer> = (variant: Variant) => Promise<A>;

export interface Vote {
  /** As it was compared. */
  readonly answer: string;
  readonly count: number;
}

/** An answer that was tried while the thinking was still going on. */
export interface Exit {
  /** Thinking tokens up to it. */
  readonly position: number;
  readonly answer: string;
  readonly confidence: number | null;
}

/** The whole of a thought that was made in several calls. */
export interface Thought {
  /** What came before the chosen call. */
  readonly before: string;
  readonly tokens: number;
  /** Why it ended; `client` where the strategy closed it. */
  readonly endedBy: ThinkingEnd | null;
}

export interface Outcome<A extends Answer> {
  readonly chosen: A;
  /** Calls that ran side by side stand in one stage. */
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
  /** Tokens one waits for: the longest reply of every stage. */
  readonly sequentialTokens: number;
  readonly totalTokens: number;
}

/** Both budgets of parallel thinking: what is waited for, and what is spent. */
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
