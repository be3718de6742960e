import { findFirst, heldSuffixLength } from './hold-back.ts';

/** Looks for stop strings in streamed text and holds back what may still become one. */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** @returns text that is certain to come before any stop string, and the stop string once one is complete. */
  push(text: string): { text: string; stop: string | null } {
    this.#held += text;
    const found = findFirst(this.#held, this.#stops);
    if (found !== undefined) {
      const before = this.#held.slice(0, found.index);
      this.#held = '';
      return { text: before, stop: found.needle };
    }
    const certain = this.#held.length - heldSuffixLength(this.#held, this.#stops);
    const out = this.#held.slice(0, certain);
    this.#held = this.#held.slice(certain);
    return { text: out, stop: null };
  }

  /** What was held back: no stop string can follow. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}
