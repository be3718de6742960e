import type { TextPiece } from './section-parser.ts';
import { StopMatcher } from './stop-matcher.ts';

export interface FilteredPieces {
  readonly pieces: readonly TextPiece[];
  /** Stop string that was completed; the generation ends before it. */
  readonly stop: string | null;
}

/** Looks for stop strings in the answer, and in the thinking where asked to; never over the border between them. */
export class StopFilter {
  readonly #answer: StopMatcher;
  readonly #thinking: StopMatcher;

  constructor(stops: readonly string[], inThinking: boolean) {
    this.#answer = new StopMatcher(stops);
    this.#thinking = new StopMatcher(inThinking ? stops : []);
  }

  /** @param searchesAnswer false lets the answer's text pass unread, as long as the answer must not end yet */
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

  /** Text held back, when nothing more will come. */
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
