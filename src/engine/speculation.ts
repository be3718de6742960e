import { Acceptance } from './acceptance.ts';
import { MAX_VERIFIED } from './model-runner.ts';
import { type Draft, LONGEST_MATCH, lookUpDraft } from './prompt-lookup.ts';
import type { Sequence } from './sequence.ts';

/** Most tokens drafted at once. */
const MAX_DRAFT = MAX_VERIFIED - 1;
/** What a further token in a step costs, in steps of one, before it was measured. */
const FIRST_COST = 0.2;
/** Weight of the newest observation of a time. */
const NEWEST = 0.2;
/** Weight of what was seen before, with every further draft: of one sequence, and of all. */
const KEEP_OWN = 0.9;
const KEEP_ALL = 0.98;
/** Chances to guess that are let go where guesses do not pay, before one token is guessed to see whether they do now. */
const FIRST_PAUSE = 16;
const LONGEST_PAUSE = 512;

/** What one sequence's guesses have come to. */
class GuessRecord {
  readonly #acceptance: Acceptance;
  /** By matched tokens: chances still to be let go, and how many next time. */
  readonly #paused = new Array<number>(LONGEST_MATCH + 1).fill(0);
  readonly #nextPause = new Array<number>(LONGEST_MATCH + 1).fill(FIRST_PAUSE);

  constructor(all: Acceptance) {
    this.#acceptance = new Acceptance(all, KEEP_OWN);
  }

  /**
   * @param cost of one more token in a step, in steps of one token
   * @returns how many tokens to guess
   */
  length(numMatched: number, cost: number): number {
    const length = bestDraftLength(this.#acceptance.share(numMatched), cost);
    if (length > 0) {
      this.#nextPause[numMatched] = FIRST_PAUSE;
      this.#paused[numMatched] = FIRST_PAUSE;
      return length;
    }
    const left = (this.#paused[numMatched] ?? 0) - 1;
    this.#paused[numMatched] = left;
    if (left > 0) return 0;
    const pause = Math.min(LONGEST_PAUSE, 2 * (this.#nextPause[numMatched] ?? FIRST_PAUSE));
    this.#nextPause[numMatched] = pause;
    this.#paused[numMatched] = pause;
    return 1;
  }

  observe(numMatched: number, numDrafted: number, numAccepted: number): void {
    this.#acceptance.observe(numMatched, numDrafted, numAccepted);
  }
}

/**
 * Whether, and how far, to look ahead while one stream has the machine to itself. A step of several tokens costs more
 * than a step of one: as many are guessed as make tokens come fastest, by what a further token was seen to cost and by
 * the share of guesses that came, in this sequence and, at its beginning, in others. Where none pays, a single one is
 * guessed now and then, ever more rarely. What is written does not depend on any of this: a token is always chosen from
 * its own logits, and a draft only says for which tokens logits are at hand.
 */
export class Speculation {
  readonly #all = new Acceptance(null, KEEP_ALL);
  readonly #records = new WeakMap<Sequence, GuessRecord>();
  #plainMs: number | null = null;
  /** Of each further token in a step. */
  #furtherMs: number | null = null;
  #drafted = 0;
  #accepted = 0;

  get totals(): { readonly draftedTokens: number; readonly acceptedTokens: number } {
    return { draftedTokens: this.#drafted, acceptedTokens: this.#accepted };
  }

  /** @returns tokens that may follow the sequence's last one; null for a plain step */
  draft(sequence: Sequence, slotCapacity: number): Draft | null {
    if (this.#plainMs === null) return null;
    const { request, generated, numCached } = sequence;
    const room = Math.min(request.maxTokens - generated.length, slotCapacity - numCached) - 1;
    const found = lookUpDraft(request.promptTokenIds, generated, Math.min(MAX_DRAFT, room));
    if (found === null) return null;
    const { tokenIds, numMatched } = found;
    const cost = this.#furtherMs === null ? FIRST_COST : this.#furtherMs / this.#plainMs;
    const length = this.#recordOf(sequence).length(numMatched, cost);
    return length === 0 ? null : { tokenIds: tokenIds.slice(0, length), numMatched };
  }

  plainStep(elapsedMs: number): void {
    this.#plainMs = this.#plainMs === null ? elapsedMs : mix(this.#plainMs, elapsedMs);
  }

  verified(
    sequence: Sequence,
    { tokenIds, numMatched }: Draft,
    { elapsedMs, numAccepted }: { readonly elapsedMs: number; readonly numAccepted: number },
  ): void {
    const { length } = tokenIds;
    this.#drafted += length;
    this.#accepted += numAccepted;
    const furtherMs = Math.max(0, (elapsedMs - (this.#plainMs ?? elapsedMs)) / length);
    this.#furtherMs = this.#furtherMs === null ? furtherMs : mix(this.#furtherMs, furtherMs);
    this.#recordOf(sequence).observe(numMatched, length, numAccepted);
    this.#all.observe(numMatched, length, numAccepted);
  }

  #recordOf(sequence: Sequence): GuessRecord {
    const known = this.#records.get(sequence);
    if (known !== undefined) return known;
    const record = new GuessRecord(this.#all);
    this.#records.set(sequence, record);
    return record;
  }
}

/**
 * The number of guesses with which tokens come fastest: with k of them a step yields 1 + p + … + p^k tokens and takes
 * 1 + k * cost plain steps. A first guess pays where p is larger than its cost.
 * @param share probability p that a guess comes if those before it did
 * @param cost of a further token in a step, in plain steps
 */
export function bestDraftLength(share: number, cost: number): number {
  let [best, fastest, yielded] = [0, 1, 1];
  for (let length = 1; length <= MAX_DRAFT; length++) {
    yielded += share ** length;
    const rate = yielded / (1 + length * cost);
    if (rate > fastest) [best, fastest] = [length, rate];
  }
  return best;
}

function mix(old: number, newest: number): number {
  return (1 - NEWEST) * old + NEWEST * newest;
}
