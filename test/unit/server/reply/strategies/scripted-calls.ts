import type {
  Answer,
  Generate,
  Variant,
} from '../../../../../src/server/reply/strategies/strategy.ts';

type Reply = Partial<Answer> & { readonly text: string };

/** Answers the calls from a script, in order, and keeps what was asked. */
export class ScriptedCalls {
  readonly variants: Variant[] = [];
  readonly #replies: readonly Reply[];
  /** Most calls that ran at once. */
  mostAtOnce = 0;
  #running = 0;

  constructor(...replies: readonly (Reply | string)[]) {
    this.#replies = replies.map((reply) => (typeof reply === 'string' ? { text: reply } : reply));
  }

  readonly generate: Generate<Answer> = async (variant) => {
    const reply = this.#replies[this.variants.length];
    if (reply === undefined) throw new Error(`Call ${this.variants.length} is not in the script.`);
    this.variants.push(variant);
    this.#running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running);
    await Promise.resolve();
    this.#running -= 1;
    return {
      reasoning: '',
      reasoningTokens: 0,
      completionTokens: 10,
      thinkingEnd: null,
      stopString: null,
      isComplete: true,
      confidence: null,
      ...reply,
    };
  };
}
