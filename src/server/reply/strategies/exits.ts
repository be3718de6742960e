import type { Answer, Exit, Generate, Outcome, Variant } from './strategy.ts';

/** The text with which S-GRPO (arXiv 2505.07686) ends the thinking. Models that do not know it have their own. */
export const EXIT_WORDS = 'Time is limited, stop thinking and start answering.';

export interface EarlyExitOptions {
  readonly positions: readonly number[];
  readonly exitWords: string;
}

/**
 * Early exit at positions (S-GRPO's serial group at inference): interrupts one thought at each position, has the model
 * answer from there, and continues the thought. The reply is the answer from the last position, or the model's own
 * answer if the thought ended earlier.
 * @param options positions in thinking tokens, ascending; words before the protocol's exit text, or ''
 */
export async function earlyExit<A extends Answer>(
  generate: Generate<A>,
  { positions, exitWords }: EarlyExitOptions,
): Promise<Outcome<A>> {
  const stages: A[][] = [];
  const exits: Exit[] = [];
  let before = '';
  let tokens = 0;
  for (const [index, position] of positions.entries()) {
    const answer = await generate({
      mode: 'think',
      budget: position - (positions[index - 1] ?? 0),
      exitWords,
      ...begunWith(before),
    });
    stages.push([answer]);
    const isInterrupted = answer.thinkingEnd === 'budget';
    tokens = isInterrupted ? position : tokens + answer.reasoningTokens;
    exits.push({ position: tokens, answer: answer.text, confidence: null });
    const isLast = index === positions.length - 1;
    if (isInterrupted && !isLast) before += answer.reasoning;
    else {
      const thought = { before, tokens, endedBy: answer.thinkingEnd };
      return { chosen: answer, stages, exits, thought };
    }
  }
  throw new Error('An early exit needs at least one position.');
}

/** Continues a thought. */
function begunWith(text: string): Pick<Variant, 'thought'> {
  return text === '' ? {} : { thought: { text, isClosed: false } };
}

export interface ConfidenceOptions {
  /** Smallest confidence at which an answer is accepted. */
  readonly threshold: number;
  /** Words with which the model turns to another idea. */
  readonly transitions: readonly string[];
  /** Words before the protocol's exit text; empty for none. */
  readonly exitWords: string;
  readonly maxTrials: number;
  /** Most tokens of a trial answer. */
  readonly trialTokens: number;
  /** Most thinking tokens of all calls; null for no limit. */
  readonly budget: number | null;
}

/**
 * Dynamic early exit (DEER, arXiv 2504.15895): whenever the model is about to turn to another idea, it has to answer.
 * A confident answer ends the thinking; any other is discarded and the thinking continues.
 */
export async function confidenceExit<A extends Answer>(
  generate: Generate<A>,
  options: ConfidenceOptions,
): Promise<Outcome<A>> {
  const thought = new InterruptedThought(generate, options);
  for (;;) {
    const piece = await thought.resume();
    if (!isAtTransition(piece)) return thought.endWith(piece);
    const outcome = await thought.tryToAnswer();
    if (outcome !== null) return outcome;
    thought.add(piece.stopString ?? '');
  }
}

/** Whether the piece ended inside the thinking, at a transition. */
function isAtTransition({ stopString, thinkingEnd, text }: Answer): boolean {
  return stopString !== null && thinkingEnd === 'stop' && text === '';
}

/** A thought in pieces, with the trial answers between them. */
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

  /** Thinks up to the next transition, or to the answer when no trial is left. */
  async resume(): Promise<A> {
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

  /** @returns null when the model was not confident enough */
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

  /** Ends with the answer that the model came to by itself. */
  async endWith(piece: A): Promise<Outcome<A>> {
    const endedBy = piece.thinkingEnd;
    if (piece.stopString === null) return this.#outcome(piece, { before: this.#text, endedBy });
    // A transition word cut the answer short: the model answers again.
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
