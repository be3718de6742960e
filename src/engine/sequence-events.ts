import type { AcceptedToken, ThinkingController } from '../thinking/controller.ts';
import type { FinishEvent, FinishReason, GenerationEvent, TokenEvent } from './generation.ts';
import type { Sequence } from './sequence.ts';
import type { SequenceClock } from './sequence-clock.ts';

/** A token that was just appended, with what is to be reported of it. */
export type NewToken = Pick<TokenEvent, 'tokenId' | 'forced' | 'logprob' | 'topLogprobs'>;

/**
 * Turns what happens to one sequence into its event stream: the decision once, before any text it concerns; a token
 * whose side of the close tag is still open waits for the next that is known; one finish at the end.
 */
export class SequenceEvents {
  readonly #thinking: ThinkingController;
  readonly #clock: SequenceClock;
  #decisionSent = false;
  #undetermined: Omit<TokenEvent, 'side'>[] = [];

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
    this.#undetermined.push({ type: 'token', ...token, pieces: accepted.pieces });
    return accepted.side === null ? [] : [...this.decision(), ...this.#release(accepted.side)];
  }

  finish(sequence: Sequence, reason: FinishReason, end: Partial<FinishEvent>): GenerationEvent[] {
    const pieces = end.stopString ? [] : this.#thinking.finish();
    if (pieces.some(({ section }) => section === 'answer')) this.#clock.answer();
    const { request, numPromptTokens, numGenerated, numImageTokens } = sequence;
    const { effectiveBudget, numReasoning, thinkingEnd, decision } = this.#thinking;
    const unclosed = reason === 'stop' ? 'stop' : reason === 'length' ? 'max_tokens' : reason;
    return [
      ...this.decision(),
      ...this.#release(this.#thinking.inAnswer ? 'answer' : 'reasoning'),
      {
        type: 'finish',
        reason,
        stopString: null,
        thinkingEnd: thinkingEnd ?? (decision?.mode === 'think' ? unclosed : null),
        budget: {
          asked: request.thinking.budget,
          effective: Number.isFinite(effectiveBudget) ? effectiveBudget : null,
        },
        pieces,
        usage: {
          promptTokens: numPromptTokens,
          cachedTokens: 0,
          imageTokens: numImageTokens,
          completionTokens: numGenerated,
          reasoningTokens: numReasoning,
        },
        timing: this.#clock.read(),
        message: null,
        ...end,
      },
    ];
  }

  #release(side: 'reasoning' | 'answer'): TokenEvent[] {
    const events = this.#undetermined.map((event) => ({ ...event, side }));
    this.#undetermined = [];
    return events;
  }
}
