export interface Scanned {
  /** Characters that belong to the value, from the start of the text given. */
  readonly length: number;
  /** Whether the value goes on, is complete, or was broken off by the tag. */
  readonly outcome: 'more' | 'complete' | 'broken';
}

/**
 * Finds the end of one JSON object or array that comes in pieces. Text is given once: what was scanned is not given
 * again. A tag outside a string ends a value that should have gone on.
 */
export class JsonValueScanner {
  readonly #tag: string;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(tag: string) {
    this.#tag = tag;
  }

  scan(text: string): Scanned {
    for (let at = 0; at < text.length; at++) {
      if (!this.#inString && this.#tag.startsWith(text.slice(at, at + this.#tag.length))) {
        const isWhole = text.length - at >= this.#tag.length;
        return { length: at, outcome: isWhole ? 'broken' : 'more' };
      }
      this.#step(text.charAt(at));
      if (this.#depth === 0) return { length: at + 1, outcome: 'complete' };
    }
    return { length: text.length, outcome: 'more' };
  }

  #step(character: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (this.#inString) {
      if (character === '\\') this.#escaped = true;
      else if (character === '"') this.#inString = false;
    } else if (character === '"') this.#inString = true;
    else if (character === '{' || character === '[') this.#depth++;
    else if (character === '}' || character === ']') this.#depth--;
  }
}
