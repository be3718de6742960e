import { LONGEST_MATCH } from './prompt-lookup.ts';

/** What is thought of guesses before the first was made. */
const FIRST_SHARE = 0.5;
/** Guesses that what was seen elsewhere counts for. */
const PRIOR_GUESSES = 2;

/**
 * The share of guessed tokens that came, of late, by how many tokens had repeated before them: two repeat by chance
 * where four hardly do.
 */
export class Acceptance {
  readonly #prior: Acceptance | null;
  readonly #keep: number;
  readonly #accepted = new Float64Array(LONGEST_MATCH + 1);
  readonly #guessed = new Float64Array(LONGEST_MATCH + 1);

  /**
   * @param prior what is believed before anything was seen here
   * @param keep weight of what was seen before, with every further draft
   */
  constructor(prior: Acceptance | null, keep: number) {
    this.#prior = prior;
    this.#keep = keep;
  }

  /** The probability that a guess comes if those before it did. */
  share(numMatched: number): number {
    const before = this.#prior?.share(numMatched) ?? FIRST_SHARE;
    const accepted = this.#accepted[numMatched] ?? 0;
    const guessed = this.#guessed[numMatched] ?? 0;
    return (accepted + PRIOR_GUESSES * before) / (guessed + PRIOR_GUESSES);
  }

  /** What comes after the first guess that did not come says nothing. */
  observe(numMatched: number, numDrafted: number, numAccepted: number): void {
    const tried = Math.min(numDrafted, numAccepted + 1);
    this.#accepted[numMatched] = this.#keep * (this.#accepted[numMatched] ?? 0) + numAccepted;
    this.#guessed[numMatched] = this.#keep * (this.#guessed[numMatched] ?? 0) + tried;
  }
}
