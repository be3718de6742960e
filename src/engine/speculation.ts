import { MAX_VERIFIED } from './model-runner.ts';
import { lookUpDraft } from './prompt-lookup.ts';
import type { Sequence } from './sequence.ts';

/** Most tokens drafted at once. */
const MAX_DRAFT = MAX_VERIFIED - 1;
const FIRST_DRAFT = 3;
/** Weight of the newest observation. */
const NEWEST = 0.2;
/** Verified drafts after which it is judged whether they pay. */
const TRIAL = 4;
const FIRST_PAUSE = 16;
const LONGEST_PAUSE = 512;

/**
 * Whether, and how far, to look ahead while one stream has the machine to itself. A draft is verified in one step of
 * several tokens, which costs more than a step of one: drafts are made only while the tokens they yield come faster
 * than plain ones. Where they do not, drafting pauses, twice as long every time. What is written does not depend on any
 * of this: a token is always chosen from its own logits, and a draft only says for which tokens logits are at hand.
 */
export class Speculation {
  #length = FIRST_DRAFT;
  #plainMs: number | null = null;
  /** Milliseconds of a verified draft, and tokens it yielded. */
  #verifiedMs = 0;
  #yield = 0;
  #numVerified = 0;
  #paused = 0;
  #nextPause = FIRST_PAUSE;
  #drafted = 0;
  #accepted = 0;

  get totals(): { readonly draftedTokens: number; readonly acceptedTokens: number } {
    return { draftedTokens: this.#drafted, acceptedTokens: this.#accepted };
  }

  /** @returns tokens that may follow the sequence's last one; none for a plain step */
  draft(sequence: Sequence, slotCapacity: number): readonly number[] {
    const { request, generated, numCached } = sequence;
    if (this.#plainMs === null) return [];
    if (this.#paused > 0) {
      this.#paused--;
      return [];
    }
    const room = Math.min(request.maxTokens - generated.length, slotCapacity - numCached) - 1;
    return lookUpDraft(request.promptTokenIds, generated, Math.min(this.#length, room));
  }

  plainStep(elapsedMs: number): void {
    this.#plainMs = this.#plainMs === null ? elapsedMs : mix(this.#plainMs, elapsedMs);
  }

  verified(elapsedMs: number, numDrafted: number, numAccepted: number): void {
    this.#drafted += numDrafted;
    this.#accepted += numAccepted;
    const isFirst = this.#numVerified++ === 0;
    this.#verifiedMs = isFirst ? elapsedMs : mix(this.#verifiedMs, elapsedMs);
    this.#yield = isFirst ? 1 + numAccepted : mix(this.#yield, 1 + numAccepted);
    const isWhole = numAccepted === numDrafted;
    this.#length = isWhole ? Math.min(MAX_DRAFT, 2 * numDrafted) : 1 + numAccepted;
    if (this.#numVerified < TRIAL) return;
    if (this.#yield * (this.#plainMs ?? 0) > this.#verifiedMs) this.#nextPause = FIRST_PAUSE;
    else this.#pause();
  }

  #pause(): void {
    this.#paused = this.#nextPause;
    this.#nextPause = Math.min(LONGEST_PAUSE, 2 * this.#nextPause);
    this.#numVerified = 0;
    this.#length = FIRST_DRAFT;
  }
}

function mix(old: number, newest: number): number {
  return (1 - NEWEST) * old + NEWEST * newest;
}
