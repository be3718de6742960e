import { allows, maskLogits } from '../sampling/token-mask.ts';
import type { TokenConstraint } from '../token-constraint.ts';
import type { SectionParser, TokenSection } from './section-parser.ts';

/** White space tokens that may come where an answer could begin, before it must begin. */
const MAX_BLANK_TOKENS = 4;
/** Draws that are tried one by one before the whole vocabulary is checked. One is nearly always enough. */
const MAX_TRIES = 32;

/**
 * Holds the answer of one sequence, and only the answer, to a constraint. The thinking is free. Where the text may still
 * become thinking or an answer, the model's own choice stands; only an answer that begins against the constraint is
 * sampled again. So the mode is the same as without a constraint.
 */
export class AnswerGuard {
  readonly #constraint: TokenConstraint;
  readonly #parser: SectionParser;
  /** Whether a token would begin the answer with more than white space. */
  readonly beginsAnswer: (tokenId: number) => boolean;
  #numBlank = 0;
  /** The text may be a tag or an answer, and the constraint rules the answer out: it must become a tag. */
  #mustBeTag = false;
  /** The constraint has taken some of that text. */
  #isFed = false;

  constructor(
    constraint: TokenConstraint,
    parser: SectionParser,
    beginsAnswer: (tokenId: number) => boolean,
  ) {
    this.#constraint = constraint;
    this.#parser = parser;
    this.beginsAnswer = beginsAnswer;
  }

  /**
   * Samples a token that may stand where the text is.
   * @param sample draws from logits
   * @param ends whether a token would end the generation
   * @throws Error when the constraint cannot be upheld
   */
  choose(
    logits: Float32Array,
    sample: (logits: Float32Array) => number,
    ends: (tokenId: number) => boolean,
  ): number {
    const { section } = this.#parser;
    const mustBegin = section === null && this.#numBlank >= MAX_BLANK_TOKENS;
    if (section === 'answer' || mustBegin) return sample(this.#masked(logits));
    const tokenId = sample(logits);
    if (section !== null || this.#mustBeTag) {
      // An end of the generation would turn the beginning of a tag into an answer.
      const isBarred = (id: number): boolean =>
        this.beginsAnswer(id) || (this.#mustBeTag && ends(id));
      return drawUnless(isBarred, { logits, sample, first: tokenId });
    }
    return this.#mayStand(tokenId, ends(tokenId)) ? tokenId : sample(this.#masked(logits));
  }

  /**
   * Takes a sampled token that does not end the generation. Call it after the parser has taken the token's text.
   * @param before section that the text stood in before the token
   * @param begins what `beginsAnswer` said of the token there, where `before` is null
   */
  accept(tokenId: number, before: TokenSection | null, begins: boolean): void {
    const { section, holdsText } = this.#parser;
    const isStillOpen = before === null && section === null;
    if (before === 'answer') this.#constraint.accept(tokenId);
    else if (begins || (isStillOpen && holdsText)) this.#begin(tokenId);
    else this.#startOver(isStillOpen);
  }

  /** Tags, some white space, the beginning of a tag, and an answer that begins as the constraint allows. */
  #mayStand(tokenId: number, ends: boolean): boolean {
    return (!ends && !this.beginsAnswer(tokenId)) || allows(this.#mask, tokenId);
  }

  #begin(tokenId: number): void {
    if (this.#mustBeTag || !allows(this.#mask, tokenId)) {
      this.#mustBeTag = true;
      return;
    }
    this.#constraint.accept(tokenId);
    this.#isFed = true;
  }

  /** The text so far turned out to be thinking, a tag or white space. */
  #startOver(isStillOpen: boolean): void {
    const isBlank = isStillOpen && !this.#isFed && !this.#mustBeTag;
    if (this.#isFed) this.#constraint.reset();
    this.#numBlank = isBlank ? this.#numBlank + 1 : 0;
    this.#isFed = false;
    this.#mustBeTag = false;
  }

  #masked(logits: Float32Array): Float32Array {
    return maskLogits(logits, this.#mask);
  }

  get #mask(): Int32Array {
    const { mask } = this.#constraint;
    if (mask === null) throw new Error('The mask of the constraint is not known yet.');
    return mask;
  }
}

interface Draw {
  readonly logits: Float32Array;
  readonly sample: (logits: Float32Array) => number;
  /** The first draw. */
  readonly first: number;
}

/** Draws again while a token is barred, without the tokens drawn before. */
function drawUnless(
  isBarred: (tokenId: number) => boolean,
  { logits, sample, first }: Draw,
): number {
  let tokenId = first;
  let left: Float32Array | null = null;
  for (let tries = 0; isBarred(tokenId); tries++) {
    if (tries === MAX_TRIES) return sample(withoutBarred(logits, isBarred));
    left ??= logits.slice();
    left[tokenId] = Number.NEGATIVE_INFINITY;
    tokenId = sample(left);
  }
  return tokenId;
}

/**
 * Logits of all tokens that are not barred. Where the model gives none of them any probability, they are equally likely.
 * @throws Error when every token is barred
 */
function withoutBarred(logits: Float32Array, isBarred: (tokenId: number) => boolean): Float32Array {
  const left = logits.map((logit, id) => (isBarred(id) ? Number.NEGATIVE_INFINITY : logit));
  if (left.some(Number.isFinite)) return left;
  const even = logits.map((_, id) => (isBarred(id) ? Number.NEGATIVE_INFINITY : 0));
  if (even.some(Number.isFinite)) return even;
  throw new Error('There is no token that ends the thinking and begins no answer.');
}
