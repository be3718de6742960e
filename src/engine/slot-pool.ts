import { type ImageSpan, sharedPrefixLength, type TokenPrefix } from './token-prefix.ts';

/** Longest prefix of a prompt that a slot's cache already holds. */
export interface CachedPrefix {
  readonly fromSlot: number;
  readonly numTokens: number;
}

interface Slot {
  readonly index: number;
  /** Contents of the cache from position 0 on. Only completed steps count. */
  tokenIds: number[];
  images: readonly ImageSpan[];
  /** Prompt that the slot was claimed for; null while it is free. */
  prompt: TokenPrefix | null;
  /** Logical time at which a sequence last left the slot or copied from it. */
  lastUsed: number;
}

/**
 * The slots of the KV cache: which are claimed, and the tokens in each. A slot keeps its contents after its sequence
 * ends, until another sequence claims it. Bookkeeping only: the model runner owns the memory.
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
   * Claims a free slot for a prompt: the one with the longest shared prefix, unless that one would lose more cached tokens
   * than the least recently used slot. The shared prefix stays in the slot.
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

  /** Longest cached prefix of a claimed slot's prompt, preferably in the slot itself. */
  findPrefix(index: number): CachedPrefix {
    const { slot, prompt } = this.#claimed(index);
    const held = slot.tokenIds.length;
    const best = minBy(this.#slots, (slot) => -this.#usable(slot, prompt));
    const numTokens = best === undefined ? 0 : this.#usable(best, prompt);
    return best === undefined || numTokens <= held
      ? { fromSlot: index, numTokens: held }
      : { fromSlot: best.index, numTokens };
  }

  /** Records that a prefix was copied into the slot. */
  copied(index: number, { fromSlot, numTokens }: CachedPrefix): void {
    const { slot, prompt } = this.#claimed(index);
    const from = this.#slots[fromSlot];
    if (from !== undefined) from.lastUsed = ++this.#clock;
    for (let at = slot.tokenIds.length; at < numTokens; at++) {
      slot.tokenIds.push(prompt.tokenIds[at] ?? -1);
    }
  }

  /** Records that a step appended tokens to the slot. */
  append(index: number, tokenIds: Iterable<number>): void {
    const { slot } = this.#claimed(index);
    for (const tokenId of tokenIds) slot.tokenIds.push(tokenId);
  }

  lengthOf(index: number): number {
    return this.#slots[index]?.tokenIds.length ?? 0;
  }

  /** Frees a slot. @param keep false where its contents may be wrong */
  release(index: number, { keep }: { readonly keep: boolean }): void {
    const { slot } = this.#claimed(index);
    slot.prompt = null;
    slot.lastUsed = ++this.#clock;
    if (!keep) this.#keep(slot, 0);
  }

  /** Free slots, with the number of tokens each holds. */
  get free(): readonly { readonly slot: number; readonly numTokens: number }[] {
    return this.#slots
      .filter(({ prompt }) => prompt === null)
      .map(({ index, tokenIds }) => ({ slot: index, numTokens: tokenIds.length }));
  }

  /** Records that two slots exchanged contents and owners. */
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

  /** Number of cached tokens that a prompt can use. Its last token is always computed, for its logits. */
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
