import { begunWith } from './early-exit.ts';
import type { Answer, Exit, Generate, Outcome, Variant } from './strategy.ts';

export interface ConfidenceOptions {
  /** Confidence from which on the answer is taken. */
  readonly threshold: number;
  /** Words at which the model turns to something else. */
  readonly transitions: readonly string[];
  /** Words that end the thinking, before the protocol's own text; empty for that text alone. */
  readonly exitWords: string;
  readonly maxTrials: number;
  /** Most tokens of a trial answer. */
  readonly trialTokens: number;
  /** Most thinking tokens of all calls; null leaves it to the model. */
  readonly budget: number | null;
}

/**
 * Dynamic early exit (DEER, arXiv 2504.15895): wherever the model is about to turn to something else, it is made to
 * answer; an answer it is confident of ends the thinking, any other is thrown away and the thinking goes on.
 */
export async function confidenceExit<A extends Answer>(
  generate: Generate<A>,
  options: ConfidenceOptions,
): Promise<Outcome<A>> {
  const thought = new InterruptedThought(generate, options);
  for (;;) {
    const piece = await thought.goOn();
    if (!isAtTransition(piece)) return thought.endWith(piece);
    const outcome = await thought.tryToAnswer();
    if (outcome !== null) return outcome;
    thought.add(piece.stopString ?? '');
  }
}

/** The piece ended inside the thinking, at one of its words. */
function isAtTransition({ stopString, thinkingEnd, text }: Answer): boolean {
  return stopString !== null && thinkingEnd === 'stop' && text === '';
}

/** A thought in pieces, and the answers that were tried between them. */
class InterruptedThought<A extends Answer> {
  readonly #generate: Generate<A>;
  readonly #options: ConfidenceOptions;
  readonly #stages: A[][] = [];
  readonly #exits: Exit[] = [];
  #text = '';
  #tokens = 0;

  constructor(generate: Generate<A>, options: ConfidenceOptions) {
    this.#generate = generate;
    this.#options = options;
  }

  add(text: string): void {
    this.#text += text;
  }

  /** Thinks up to the next transition, or to the answer where no trial is left. */
  async goOn(): Promise<A> {
    const { budget, maxTrials, transitions } = this.#options;
    const begun = this.#text;
    const piece = await this.#call({
      mode: 'think',
      stopThinkingAt: this.#exits.length < maxTrials ? transitions : [],
      ...(budget !== null && { budget: Math.max(1, budget - this.#tokens) }),
      ...begunWith(begun),
    });
    this.#tokens += piece.reasoningTokens;
    if (isAtTransition(piece)) this.add(piece.reasoning);
    return piece;
  }

  /** @returns null where the model was not confident enough */
  async tryToAnswer(): Promise<Outcome<A> | null> {
    const { exitWords, threshold, trialTokens } = this.#options;
    const text = exitWords === '' ? this.#text : `${this.#text.trimEnd()}\n\n${exitWords}`;
    const thought = { text, isClosed: true };
    const trial = await this.#call({ thought, isTrial: true, maxTokens: trialTokens });
    const { confidence } = trial;
    this.#exits.push({ position: this.#tokens, answer: trial.text, confidence });
    if (confidence === null || confidence < threshold) return null;
    const chosen = trial.isComplete ? trial : await this.#call({ thought });
    return this.#outcome(chosen, { before: thought.text, endedBy: 'client' });
  }

  /** The model came to its answer by itself. */
  async endWith(piece: A): Promise<Outcome<A>> {
    const endedBy = piece.thinkingEnd;
    if (piece.stopString === null) return this.#outcome(piece, { before: this.#text, endedBy });
    // A word of the thinking's cut the answer: it is asked for again, whole.
    const before = this.#text + piece.reasoning;
    const chosen = await this.#call({ thought: { text: before, isClosed: true } });
    return this.#outcome(chosen, { before, endedBy });
  }

  #outcome(
    chosen: A,
    end: Pick<NonNullable<Outcome<A>['thought']>, 'before' | 'endedBy'>,
  ): Outcome<A> {
    const thought = { ...end, tokens: this.#tokens };
    return { chosen, stages: this.#stages, exits: this.#exits, thought };
  }

  async #call(variant: Variant): Promise<A> {
    const answer = await this.#generate(variant);
    this.#stages.push([answer]);
    return answer;
  }
}
