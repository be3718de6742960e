import { allows, maskLogits } from './sampling/token-mask.ts';
import type { ThinkingController } from './thinking/controller.ts';
import type { TokenConstraint } from './token-constraint.ts';

/** White space that may stand where an answer could begin, before it has to. */
const MAX_BLANK_TOKENS = 4;
/** Draws that are tried one by one, which nearly always does, before the whole vocabulary is looked at. */
const MAX_TRIES = 32;

/**
 * Holds the answer of one sequence, and nothing but the answer, to a constraint. While the model thinks it is not asked;
 * where the text may become thinking or an answer, the model's own choice stands, and only an answer that begins in a
 * way the constraint rules out is begun otherwise: the mode is what it would have been without.
 */
export class AnswerGuard {
  readonly constraint: TokenConstraint;
  readonly #thinking: ThinkingController;
  #numBlank = 0;
  /** Text was written that may be a tag or an answer, and the constraint rules it out: it has to be a tag. */
  #mustBeTag = false;
  /** The constraint took some of that text. */
  #isFed = false;

  constructor(constraint: TokenConstraint, thinking: ThinkingController) {
    this.constraint = constraint;
    this.#thinking = thinking;
  }

  /**
   * Samples a token that may stand where the text is.
   * @param sample draws from logits
   * @param ends whether a token would end the generation
   */
  choose(
    logits: Float32Array,
    sample: (logits: Float32Array) => number,
    ends: (tokenId: number) => boolean,
  ): number {
    const { region } = this.#thinking;
    const mustBegin = region === 'open' && this.#numBlank >= MAX_BLANK_TOKENS;
    if (region === 'answer' || mustBegin) return sample(this.#masked(logits));
    const tokenId = sample(logits);
    if (region !== 'open' || this.#mustBeTag) {
      // The end would make an answer of what was begun as a tag.
      const isBarred = (id: number): boolean =>
        this.#thinking.preview(id).beginsAnswer || (this.#mustBeTag && ends(id));
      return drawUnless(isBarred, { logits, sample, first: tokenId });
    }
    return this.#mayStand(tokenId, ends(tokenId)) ? tokenId : sample(this.#masked(logits));
  }

  /**
   * Call before the thinking takes a token that was chosen.
   * @returns what to call after
   */
  follow(tokenId: number): () => void {
    const { region: before } = this.#thinking;
    const begins = before === 'open' && this.#thinking.preview(tokenId).beginsAnswer;
    return () => {
      const { region, holdsText } = this.#thinking;
      const isSamePlace = before === 'open' && region === 'open';
      if (before === 'answer') this.constraint.accept(tokenId);
      else if (begins || (isSamePlace && holdsText)) this.#begin(tokenId);
      else this.#startOver(isSamePlace);
    };
  }

  close(): void {
    this.constraint.close();
  }

  /** Tags, some white space, what may become a tag, and an answer that begins well. */
  #mayStand(tokenId: number, ends: boolean): boolean {
    const { beginsAnswer } = this.#thinking.preview(tokenId);
    return (!ends && !beginsAnswer) || allows(this.#mask, tokenId);
  }

  #begin(tokenId: number): void {
    if (this.#mustBeTag || !allows(this.#mask, tokenId)) {
      this.#mustBeTag = true;
      return;
    }
    this.constraint.accept(tokenId);
    this.#isFed = true;
  }

  /** What was written turned out to be thinking, a tag or white space. */
  #startOver(isSamePlace: boolean): void {
    const isBlank = isSamePlace && !this.#isFed && !this.#mustBeTag;
    if (this.#isFed) this.constraint.reset();
    this.#numBlank = isBlank ? this.#numBlank + 1 : 0;
    this.#isFed = false;
    this.#mustBeTag = false;
  }

  #masked(logits: Float32Array): Float32Array {
    return maskLogits(logits, this.#mask);
  }

  get #mask(): Int32Array {
    const { mask } = this.constraint;
    if (mask === null) throw new Error('The mask of a constraint was asked for too early.');
    return mask;
  }
}

interface Draw {
  readonly logits: Float32Array;
  readonly sample: (logits: Float32Array) => number;
  /** What was drawn. */
  readonly first: number;
}

/** Where a token cannot stand, since what stands before it would become part of an answer: others are tried. */
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
 * The logits of the tokens that can stand, wherever in the vocabulary they are; where the model gives none of them a
 * chance, they are all alike.
 * @throws Error when there is no such token
 */
function withoutBarred(logits: Float32Array, isBarred: (tokenId: number) => boolean): Float32Array {
  const left = logits.map((logit, id) => (isBarred(id) ? Number.NEGATIVE_INFINITY : logit));
  if (left.some(Number.isFinite)) return left;
  const even = logits.map((_, id) => (isBarred(id) ? Number.NEGATIVE_INFINITY : 0));
  if (even.some(Number.isFinite)) return even;
  throw new Error('There is no token that ends the thinking and begins no answer.');
}
