import type {
  FinishEvent,
  FinishReason,
  GenerationEvent,
  GenerationTiming,
  TokenEvent,
  TokenUsage,
} from './generation.ts';
import type { NextToken, ThinkingController } from './thinking/controller.ts';
import type { ThinkingEnd } from './thinking/decision.ts';
import type { TokenSection } from './thinking/section-parser.ts';

const NOTHING_HELD = { pieces: [], stop: null };

/** Why the thinking ended where it was still open when the generation ended. */
const END_OF_OPEN_THINKING: Readonly<Record<FinishReason, ThinkingEnd>> = {
  stop: 'stop',
  length: 'max_tokens',
  timeout: 'deadline',
  abort: 'abort',
  error: 'error',
};

/** A token that is not sent yet because its section is not known. */
interface HeldToken {
  readonly event: Omit<TokenEvent, 'section'>;
  section: TokenSection | null;
}

/** Counts that the thinking does not know. */
export interface FinishCounts extends Omit<TokenUsage, 'reasoningTokens' | 'preambleTokens'> {
  readonly askedBudget: number | null;
}

/**
 * Builds the event stream of one sequence: the decision once, before all tokens; then the tokens, where a token with an
 * open section takes the next section that is known; then one finish.
 */
export class SequenceEvents {
  readonly #thinking: ThinkingController;
  readonly #times: SequenceTimes;
  readonly #now: () => number;
  #decisionSent = false;
  #held: HeldToken[] = [];

  /** @param now monotonic milliseconds */
  constructor(thinking: ThinkingController, times: SequenceTimes, now: () => number) {
    this.#thinking = thinking;
    this.#times = times;
    this.#now = now;
  }

  /** The decision, the first time it is known. */
  decision(): GenerationEvent[] {
    const { decision } = this.#thinking;
    if (this.#decisionSent || decision === null) return [];
    this.#decisionSent = true;
    return [{ type: 'decision', ...decision }];
  }

  token(
    { tokenId, forced, section, pieces }: NextToken,
    logprobs: Pick<TokenEvent, 'logprob' | 'topLogprobs'>,
  ): GenerationEvent[] {
    this.#times.firstTokenMs ??= this.#now();
    if (pieces.some((piece) => piece.section === 'answer'))
      this.#times.firstAnswerMs ??= this.#now();
    const { logprob, topLogprobs } = logprobs;
    const event = { type: 'token', tokenId, forced, logprob, topLogprobs, pieces } as const;
    if (section !== null && this.#held.length === 0 && this.#decisionSent)
      return [{ ...event, section }];
    this.#held.push({ event, section });
    if (section === null) return [];
    for (const held of this.#held) held.section ??= section;
    return this.#thinking.decision === null ? [] : [...this.decision(), ...this.#release(section)];
  }

  finish(
    reason: FinishReason,
    end: Partial<FinishEvent>,
    { askedBudget, ...tokens }: FinishCounts,
  ): GenerationEvent[] {
    // Decides if nothing has: read the counts of the thinking after it.
    const { pieces, stop } = end.stopString ? NOTHING_HELD : this.#thinking.finish();
    if (pieces.some(({ section }) => section === 'answer'))
      this.#times.firstAnswerMs ??= this.#now();
    // A request that ended before its first token decided nothing, unless its prompt had.
    const decided = tokens.completionTokens > 0 || this.#decisionSent;
    const isThinking = decided && this.#thinking.decision?.mode === 'think';
    const { effectiveBudget, thinkingEnd, interventions, numReasoning, numPreamble } =
      this.#thinking.summary();
    return [
      ...(decided ? this.decision() : []),
      // A section stays open only while no tag was written. Text without a tag is an answer.
      ...this.#release('answer'),
      {
        type: 'finish',
        // Text that was held back until now may complete a stop string.
        reason: stop !== null && reason === 'length' ? 'stop' : reason,
        stopString: stop,
        thinkingEnd: thinkingEnd ?? (isThinking ? END_OF_OPEN_THINKING[reason] : null),
        interventions,
        budget: {
          asked: askedBudget,
          effective: Number.isFinite(effectiveBudget) ? effectiveBudget : null,
        },
        pieces,
        usage: { ...tokens, reasoningTokens: numReasoning, preambleTokens: numPreamble },
        timing: timingOf(this.#times, this.#now()),
        message: null,
        detail: null,
        ...end,
      },
    ];
  }

  /** @param fallback section of tokens whose own is still open */
  #release(fallback: TokenSection): TokenEvent[] {
    const events = this.#held.map(({ event, section }) => ({
      ...event,
      section: section ?? fallback,
    }));
    this.#held = [];
    return events;
  }
}

/** Points in time of one sequence on the monotonic clock, and durations of its work, all in milliseconds. */
export interface SequenceTimes {
  readonly arrivedMs: number;
  admittedMs: number | null;
  firstTokenMs: number | null;
  firstAnswerMs: number | null;
  visionMs: number;
  prefillMs: number;
}

/** The durations that the finish event reports, for a sequence that ends at `endMs`. */
function timingOf(times: SequenceTimes, endMs: number): GenerationTiming {
  const { arrivedMs, admittedMs, firstTokenMs, firstAnswerMs, visionMs, prefillMs } = times;
  const thinkingFrom = firstTokenMs ?? endMs;
  return {
    queueMs: (admittedMs ?? endMs) - arrivedMs,
    visionMs,
    prefillMs,
    firstTokenMs: firstTokenMs === null ? null : firstTokenMs - arrivedMs,
    firstAnswerMs: firstAnswerMs === null ? null : firstAnswerMs - arrivedMs,
    thinkingMs: (firstAnswerMs ?? endMs) - thinkingFrom,
    decodeMs: endMs - thinkingFrom,
    totalMs: endMs - arrivedMs,
  };
}
