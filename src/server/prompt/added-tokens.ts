/** A token that is recognised in the text before the byte-pair merges run, as tokenizer.json describes it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Control token that writes no text. */
  readonly special: boolean;
  /** Takes the white space on its left, right. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** A stretch of text: an added token, or plain text between two of them. */
export type TextSegment =
  | { readonly kind: 'token'; readonly id: number }
  | { readonly kind: 'plain'; readonly text: string };

/** Finds added tokens in text: the leftmost match, the longest where several start at one place. */
export class AddedTokenSplitter {
  readonly #idOf: ReadonlyMap<string, number>;
  readonly #pattern: RegExp | null;

  constructor(tokens: readonly AddedToken[]) {
    this.#idOf = new Map(tokens.map((token) => [token.content, token.id]));
    this.#pattern = tokens.length === 0 ? null : patternOf(tokens);
  }

  /** @returns the segments in order; plain segments are never empty. */
  split(text: string): TextSegment[] {
    if (this.#pattern === null) return text === '' ? [] : [{ kind: 'plain', text }];
    const segments: TextSegment[] = [];
    let end = 0;
    for (const match of text.matchAll(this.#pattern)) {
      if (match.index > end) segments.push({ kind: 'plain', text: text.slice(end, match.index) });
      const id = this.#idOf.get(match[0]) ?? this.#idOf.get(match[0].trim());
      if (id === undefined) throw new Error(`The text "${match[0]}" matched no added token.`);
      segments.push({ kind: 'token', id });
      end = match.index + match[0].length;
    }
    if (end < text.length) segments.push({ kind: 'plain', text: text.slice(end) });
    return segments;
  }
}

/** One alternation, longest first, so that a token that begins another never hides it. */
function patternOf(tokens: readonly AddedToken[]): RegExp {
  const alternatives = [...tokens]
    .sort((a, b) => b.content.length - a.content.length)
    .map(({ content, lstrip, rstrip }) => {
      const escaped = content.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
      return `${lstrip ? '\\s*' : ''}${escaped}${rstrip ? '\\s*' : ''}`;
    });
  return new RegExp(alternatives.join('|'), 'g');
}
