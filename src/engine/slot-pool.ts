import { type ImageSpan, sharedPrefixLength, type TokenPrefix } from './token-prefix.ts';

/** The longest part of a prompt that some slot's cache already holds. */
export interface CachedPrefix {
  readonly fromSlot: number;
  readonly numTokens: number;
}

interface Slot {
  readonly index: number;
  /** What the cache holds from position 0 on: nothing but what a step has written and reported done. */
  tokenIds: number[];
  images: readonly ImageSpan[];
  /** The prompt it was claimed for; null while it is free. */
  prompt: TokenPrefix | null;
  /** When a sequence last left it or copied from it. */
  lastUsed: number;
}

/**
 * Which slot is whose, and what each one's cache holds. A slot keeps its contents when its sequence ends, until another
 * sequence takes it. Pure bookkeeping: the rows themselves are the model runner's.
 */
export class SlotPool {
  readonly #slots: readonly Slot[];
  readonly #reusesPrefixes: boolean;
  #clock = 0;

  constructor(numSlots: number, { reusesPrefixes }: { readonly reusesPrefixes: boolean }) {
    this.#reusesPrefixes = reusesPrefixes;
    this.#slots = Array.from({ length: numSlots }, (_, index) => ({
      index,
      tokenIds: [],
      images: [],
      prompt: null,
      lastUsed: 0,
    }));
  }

  /**
   * Claims a free slot for a prompt: the one that already holds most of it, unless taking that one would throw away more
   * cached tokens than taking the least recently used; then the latter. What the slot shares with the prompt stays.
   * @throws Error when no slot is free
   */
  claim(prompt: TokenPrefix): number {
    const free = this.#slots.filter((slot) => slot.prompt === null);
    const victim = minBy(free, ({ tokenIds, lastUsed }) => (tokenIds.length === 0 ? -1 : lastUsed));
    if (victim === undefined) throw new Error(`All ${this.#slots.length} slots are taken.`);
    const match = minBy(free, (slot) => -this.#usable(slot, prompt)) ?? victim;
    const lossOf = (slot: Slot): number => slot.tokenIds.length - this.#usable(slot, prompt);
    const matches = this.#usable(match, prompt) > 0 && lossOf(match) <= lossOf(victim);
    const slot = matches ? match : victim;
    slot.prompt = prompt;
    this.#keep(slot, this.#usable(slot, prompt));
    return slot.index;
  }

  /** The longest cached prefix of a claimed slot's prompt at this moment, preferably in the slot itself. */
  findPrefix(index: number): CachedPrefix {
    const { slot, prompt } = this.#claimed(index);
    const held = slot.tokenIds.length;
    const best = minBy(this.#slots, (slot) => -this.#usable(slot, prompt));
    const numTokens = best === undefined ? 0 : this.#usable(best, prompt);
    return best === undefined || numTokens <= held
      ? { fromSlot: index, numTokens: held }
      : { fromSlot: best.index, numTokens };
  }

  /** The prefix's rows have been copied into the slot. */
  copied(index: number, { fromSlot, numTokens }: CachedPrefix): void {
    const { slot, prompt } = this.#claimed(index);
    const from = this.#slots[fromSlot];
    if (from !== undefined) from.lastUsed = ++this.#clock;
    for (let at = slot.tokenIds.length; at < numTokens; at++) {
      slot.tokenIds.push(prompt.tokenIds[at] ?? -1);
    }
  }

  /** A step has written these tokens behind what the slot holds. */
  append(index: number, tokenIds: Iterable<number>): void {
    const { slot } = this.#claimed(index);
    for (const tokenId of tokenIds) slot.tokenIds.push(tokenId);
  }

  lengthOf(index: number): number {
    return this.#slots[index]?.tokenIds.length ?? 0;
  }

  /** Gives a slot back; `keep` false where its contents are not to be trusted. */
  release(index: number, { keep }: { readonly keep: boolean }): void {
    const { slot } = this.#claimed(index);
    slot.prompt = null;
    slot.lastUsed = ++this.#clock;
    if (!keep) this.#keep(slot, 0);
  }

  /** Slots that nobody has, and how many tokens each holds. */
  get free(): readonly { readonly slot: number; readonly numTokens: number }[] {
    return this.#slots
      .filter(({ prompt }) => prompt === null)
      .map(({ index, tokenIds }) => ({ slot: index, numTokens: tokenIds.length }));
  }

  /** What two slots hold was exchanged, and with it whose they are. */
  swapped(one: number, other: number): void {
    const [left, right] = [this.#slots[one], this.#slots[other]];
    if (left === undefined || right === undefined) return;
    const { tokenIds, images, prompt, lastUsed } = left;
    left.tokenIds = right.tokenIds;
    left.images = right.images;
    left.prompt = right.prompt;
    left.lastUsed = right.lastUsed;
    Object.assign(right, { tokenIds, images, prompt, lastUsed });
  }

  #keep(slot: Slot, length: number): void {
    slot.tokenIds.length = length;
    slot.images = slot.prompt?.images ?? [];
  }

  /** Positions of the slot's contents a prompt can use. Its last token is always computed: its logits are wanted. */
  #usable(slot: Slot, prompt: TokenPrefix): number {
    if (!this.#reusesPrefixes) return 0;
    return Math.min(sharedPrefixLength(slot, prompt), prompt.tokenIds.length - 1);
  }

  #claimed(index: number): { readonly slot: Slot; readonly prompt: TokenPrefix } {
    const slot = this.#slots[index];
    const prompt = slot?.prompt;
    if (!slot || !prompt) throw new Error(`Slot ${index} is not claimed.`);
    return { slot, prompt };
  }
}

/** The first item with the smallest value. */
function minBy<T>(items: readonly T[], measure: (item: T) => number): T | undefined {
  let best: T | undefined;
  let smallest = Infinity;
  for (const item of items) {
    const value = measure(item);
    if (value >= smallest) continue;
    best = item;
    smallest = value;
  }
  return best;
}
