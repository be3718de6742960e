import { MAX_VERIFIED } from './model-runner.ts';
import type { Sequence } from './sequence.ts';

/** Longest and shortest n-gram of the text's end that prompt lookup matches. */
const LONGEST_MATCH = 4;
const SHORTEST_MATCH = 2;

/** Most tokens drafted at once. */
const MAX_DRAFT = MAX_VERIFIED - 1;
/** Cost of a further token in a step, in plain steps, before it was measured. */
const FIRST_COST = 0.2;
/** Weight of the newest time measured. */
const NEWEST = 0.2;
/** Decay of earlier acceptances with every draft: of one sequence, and of all. */
const KEEP_OWN = 0.9;
const KEEP_ALL = 0.98;
/** Drafts skipped where drafts do not pay, before one token is drafted to measure again. */
const FIRST_PAUSE = 16;
const LONGEST_PAUSE = 512;

/** Acceptance of one sequence's drafts, and the length of its next one. */
class DraftHistory {
  readonly acceptance: Acceptance;
  /** By length of the match: drafts still to skip, and how many to skip next time. */
  readonly #paused = new Array<number>(LONGEST_MATCH + 1).fill(0);
  readonly #nextPause = new Array<number>(LONGEST_MATCH + 1).fill(FIRST_PAUSE);

  constructor(all: Acceptance) {
    this.acceptance = new Acceptance(all, KEEP_OWN);
  }

  /**
   * @param cost of a further token in a step, in plain steps
   * @returns number of tokens to draft
   */
  length(numMatched: number, cost: number): number {
    const length = bestDraftLength(this.acceptance.rate(numMatched), cost);
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
}

/**
 * Speculative decoding with prompt lookup, for a sequence that runs alone. It decides how many draft tokens a step
 * verifies. A step of several tokens costs more than a plain one, so the length maximizes tokens per second, from the
 * measured cost of a further token and from the acceptance rate: of this sequence and, at its beginning, of all. Where
 * drafts do not pay, a single token is drafted now and then, less and less often. The output does not depend on any of
 * this: each token is chosen from its own logits.
 */
export class SpeculativeDecoding {
  readonly #all = new Acceptance(null, KEEP_ALL);
  readonly #histories = new WeakMap<Sequence, DraftHistory>();
  /** Mean time of a plain step. */
  #plainMs: number | null = null;
  /** Mean time of each further token in a step. */
  #furtherMs: number | null = null;
  readonly totals = { draftedTokens: 0, acceptedTokens: 0 };

  /** @returns draft tokens to verify after the sequence's last token; null for a plain step */
  draft(sequence: Sequence, slotCapacity: number): Draft | null {
    if (this.#plainMs === null) return null;
    const { request, generated, numCached } = sequence;
    const room = Math.min(request.maxTokens - generated.length, slotCapacity - numCached) - 1;
    const found = lookUpDraft(request.promptTokenIds, generated, Math.min(MAX_DRAFT, room));
    if (found === null) return null;
    const { tokenIds, numMatched } = found;
    const cost = this.#furtherMs === null ? FIRST_COST : this.#furtherMs / this.#plainMs;
    const length = this.#historyOf(sequence).length(numMatched, cost);
    return length === 0 ? null : { tokenIds: tokenIds.slice(0, length), numMatched };
  }

  /** Takes the time of a plain step of one sequence. */
  plainStep(elapsedMs: number): void {
    this.#plainMs = this.#plainMs === null ? elapsedMs : mix(this.#plainMs, elapsedMs);
  }

  /** Takes the outcome of a draft. */
  verified(
    sequence: Sequence,
    { tokenIds, numMatched }: Draft,
    { elapsedMs, numAccepted }: { readonly elapsedMs: number; readonly numAccepted: number },
  ): void {
    const { length } = tokenIds;
    this.totals.draftedTokens += length;
    this.totals.acceptedTokens += numAccepted;
    const furtherMs = Math.max(0, (elapsedMs - (this.#plainMs ?? elapsedMs)) / length);
    this.#furtherMs = this.#furtherMs === null ? furtherMs : mix(this.#furtherMs, furtherMs);
    this.#historyOf(sequence).acceptance.observe(numMatched, length, numAccepted);
    this.#all.observe(numMatched, length, numAccepted);
  }

  #historyOf(sequence: Sequence): DraftHistory {
    const known = this.#histories.get(sequence);
    if (known !== undefined) return known;
    const history = new DraftHistory(this.#all);
    this.#histories.set(sequence, history);
    return history;
  }
}

/**
 * The draft length with the most tokens per second: k draft tokens yield 1 + p + … + p^k tokens in the time of
 * 1 + k * cost plain steps. A first draft token pays where p is larger than its cost.
 * @param rate probability p that a draft token is accepted if those before it were
 * @param cost of a further token in a step, in plain steps
 */
export function bestDraftLength(rate: number, cost: number): number {
  let [best, fastest, yielded] = [0, 1, 1];
  for (let length = 1; length <= MAX_DRAFT; length++) {
    yielded += rate ** length;
    const speed = yielded / (1 + length * cost);
    if (speed > fastest) [best, fastest] = [length, speed];
  }
  return best;
}

function mix(old: number, newest: number): number {
  return (1 - NEWEST) * old + NEWEST * newest;
}

/** Acceptance rate assumed before the first draft. */
const FIRST_RATE = 0.5;
/** Weight of the prior, in draft tokens. */
const PRIOR_WEIGHT = 2;

/**
 * Recent acceptance rate of draft tokens, by length of the match: two tokens repeat by chance where four hardly do.
 */
export class Acceptance {
  readonly #prior: Acceptance | null;
  readonly #keep: number;
  readonly #accepted = new Float64Array(LONGEST_MATCH + 1);
  readonly #drafted = new Float64Array(LONGEST_MATCH + 1);

  /**
   * @param prior rates assumed before anything was drafted here
   * @param keep decay of earlier drafts with every further one
   */
  constructor(prior: Acceptance | null, keep: number) {
    this.#prior = prior;
    this.#keep = keep;
  }

  /** Probability that a draft token is accepted if those before it were. */
  rate(numMatched: number): number {
    const before = this.#prior?.rate(numMatched) ?? FIRST_RATE;
    const accepted = this.#accepted[numMatched] ?? 0;
    const drafted = this.#drafted[numMatched] ?? 0;
    return (accepted + PRIOR_WEIGHT * before) / (drafted + PRIOR_WEIGHT);
  }

  /** Draft tokens after the first rejected one are not counted. */
  observe(numMatched: number, numDrafted: number, numAccepted: number): void {
    const tried = Math.min(numDrafted, numAccepted + 1);
    this.#accepted[numMatched] = this.#keep * (this.#accepted[numMatched] ?? 0) + numAccepted;
    this.#drafted[numMatched] = this.#keep * (this.#drafted[numMatched] ?? 0) + tried;
  }
}

export interface Draft {
  /** Tokens that may follow. */
  readonly tokenIds: readonly number[];
  /** Length of the match, at most `LONGEST_MATCH`. */
  readonly numMatched: number;
}

/**
 * Drafts the next tokens of a text from the text itself (prompt lookup decoding, Saxena 2023): finds the most recent
 * earlier occurrence of its last tokens and drafts the tokens that followed them, repeating them where they reach the
 * end.
 * @param count most tokens to draft
 * @returns the draft; null where nothing repeats
 */
export function lookUpDraft(
  promptTokenIds: Int32Array,
  generated: readonly number[],
  count: number,
): Draft | null {
  const numPrompt = promptTokenIds.length;
  const total = numPrompt + generated.length;
  const at = (index: number): number =>
    (index < numPrompt ? promptTokenIds[index] : generated[index - numPrompt]) ?? -1;
  let [found, longest] = [-1, SHORTEST_MATCH - 1];
  for (let end = total - 1; end > 0 && longest < LONGEST_MATCH; end--) {
    let length = 0;
    while (
      length < LONGEST_MATCH &&
      length < end &&
      at(end - 1 - length) === at(total - 1 - length)
    )
      length++;
    if (length > longest) [found, longest] = [end, length];
  }
  if (found < 0 || count < 1) return null;
  const period = total - found;
  const tokenIds = Array.from({ length: count }, (_, i) => at(found + (i % period)));
  return { tokenIds, numMatched: longest };
}
