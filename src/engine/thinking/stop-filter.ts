import { findFirst, heldSuffixLength } from './hold-back.ts';
import type { TextPiece } from './section-parser.ts';

export interface FilteredPieces {
  readonly pieces: readonly TextPiece[];
  /** Stop string that is complete; the generation ends before it. */
  readonly stop: string | null;
}

/** Searches the answer, and the thinking if asked to, for stop strings. A match never spans both. */
export class StopFilter {
  readonly #answer: StopMatcher;
  readonly #thinking: StopMatcher;

  constructor(stops: readonly string[], inThinking: boolean) {
    this.#answer = new StopMatcher(stops);
    this.#thinking = new StopMatcher(inThinking ? stops : []);
  }

  /** @param searchesAnswer false while the answer may not end yet: its text passes unsearched */
  push(sections: readonly TextPiece[], searchesAnswer = true): FilteredPieces {
    const pieces: TextPiece[] = [];
    for (const { section, text } of sections) {
      const passes = section === 'answer' && !searchesAnswer;
      if (section === 'preamble' || passes) pieces.push({ section, text });
      else if (section === 'delimiter') pieces.push(...this.#rest('reasoning'), { section, text });
      else {
        const found = this.#matcher(section).push(text);
        if (found.text !== '') pieces.push({ section, text: found.text });
        if (found.stop !== null) return { pieces, stop: found.stop };
      }
    }
    return { pieces, stop: null };
  }

  /** Ends the text. @returns text that was held back */
  end(): TextPiece[] {
    return [...this.#rest('reasoning'), ...this.#rest('answer')];
  }

  #matcher(section: 'reasoning' | 'answer'): StopMatcher {
    return section === 'reasoning' ? this.#thinking : this.#answer;
  }

  #rest(section: 'reasoning' | 'answer'): TextPiece[] {
    const text = this.#matcher(section).end();
    return text === '' ? [] : [{ section, text }];
  }
}

/** Searches streamed text for stop strings and holds back text that may still become one. */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** @returns text that comes before any stop string for certain, and the stop string once one is complete */
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

  /** Ends the text. @returns text that was held back */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}
