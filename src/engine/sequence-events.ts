import type { FinishEvent, FinishReason, GenerationEvent, TokenEvent } from './generation.ts';
import type { Sequence } from './sequence.ts';
import type { SequenceClock } from './sequence-clock.ts';
import type { AcceptedToken, ThinkingController } from './thinking/controller.ts';
import type { ThinkingEnd } from './thinking/decision.ts';
import type { TokenSection } from './thinking/section-parser.ts';

const NOTHING_HELD = { pieces: [], stop: null };

/** Why thinking ended that nobody closed. */
const UNCLOSED: Readonly<Record<FinishReason, ThinkingEnd>> = {
  stop: 'stop',
  length: 'max_tokens',
  timeout: 'deadline',
  abort: 'abort',
  error: 'error',
};

/** A token that was just appended, with what is to be reported of it. */
export type NewToken = Pick<TokenEvent, 'tokenId' | 'forced' | 'logprob' | 'topLogprobs'>;

/** A token that waits to be sent, until it is known on which section of the close tag it lies. */
interface HeldToken {
  readonly event: Omit<TokenEvent, 'section'>;
  section: TokenSection | null;
}

/**
 * Turns what happens to one sequence into its event stream: the decision once and before every token; a token whose
 * section of the close tag is still open takes that of the next that is known; one finish at the end.
 */
export class SequenceEvents {
  readonly #thinking: ThinkingController;
  readonly #clock: SequenceClock;
  #decisionSent = false;
  #held: HeldToken[] = [];

  constructor(thinking: ThinkingController, clock: SequenceClock) {
    this.#thinking = thinking;
    this.#clock = clock;
  }

  /** The decision, the first time it is known. */
  decision(): GenerationEvent[] {
    const { decision } = this.#thinking;
    if (this.#decisionSent || decision === null) return [];
    this.#decisionSent = true;
    return [{ type: 'decision', ...decision }];
  }

  token(token: NewToken, accepted: AcceptedToken): GenerationEvent[] {
    this.#clock.token();
    if (accepted.pieces.some(({ section }) => section === 'answer')) this.#clock.answer();
    const { section } = accepted;
    this.#held.push({ event: { type: 'token', ...token, pieces: accepted.pieces }, section });
    if (section === null) return [];
    for (const held of this.#held) held.section ??= section;
    return this.#thinking.decision === null ? [] : [...this.decision(), ...this.#release(section)];
  }

  finish(sequence: Sequence, reason: FinishReason, end: Partial<FinishEvent>): GenerationEvent[] {
    const { pieces, stop } = end.stopString ? NOTHING_HELD : this.#thinking.finish();
    if (pieces.some(({ section }) => section === 'answer')) this.#clock.answer();
    const { request, numPromptTokens, numGenerated, numImageTokens } = sequence;
    // A request that ended before its first token decided nothing, unless its prompt had.
    const decided = numGenerated > 0 || this.#decisionSent;
    const isThinking = decided && this.#thinking.decision?.mode === 'think';
    const { effectiveBudget, numReasoning, numPreamble, thinkingEnd } = this.#thinking;
    return [
      ...(decided ? this.decision() : []),
      // A token stays undetermined only while no tag has been seen: without one, the text was an answer.
      ...this.#release('answer'),
      {
        type: 'finish',
        // Text held back until now may have been the stop string.
        reason: stop !== null && reason === 'length' ? 'stop' : reason,
        stopString: stop,
        thinkingEnd: thinkingEnd ?? (isThinking ? UNCLOSED[reason] : null),
        interventions: this.#thinking.interventions,
        budget: {
          asked: request.thinking.budget,
          effective: Number.isFinite(effectiveBudget) ? effectiveBudget : null,
        },
        pieces,
        usage: {
          promptTokens: numPromptTokens,
          cachedTokens: sequence.numReused,
          imageTokens: numImageTokens,
          completionTokens: numGenerated,
          reasoningTokens: numReasoning,
          preambleTokens: numPreamble,
        },
        timing: this.#clock.read(),
        message: null,
        detail: null,
        ...end,
      },
    ];
  }

  /** @param fallback section of tokens whose own is not known */
  #release(fallback: TokenSection): TokenEvent[] {
    const events = this.#held.map(({ event, section }) => ({
      ...event,
      section: section ?? fallback,
    }));
    this.#held = [];
    return events;
  }
}
