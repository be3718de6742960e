import { ChatInputError } from './chat-input-error.ts';

/** A token that is recognised in the text before the byte-pair merges run, as tokenizer.json describes it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Control token that writes no text. */
  readonly special: boolean;
  /** Swallows the white space on its left, right. */
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

/**
 * Hides text that somebody typed from everything that looks for added tokens: each character that could begin one
 * is replaced by a stand-in that occurs nowhere in the conversation. A token spelled out in a message, or put together
 * from the end of one part and the start of the next, therefore stays text.
 *
 * Added tokens that are nothing but white space control nothing and are left alone.
 */
export class LookAlikeMask {
  readonly #standIn: ReadonlyMap<string, string>;
  readonly #original: ReadonlyMap<string, string>;

  /**
   * @param markers texts whose first characters are hidden: added tokens and the protocol's tags
   * @param texts everything the stand-ins must not occur in
   * @throws ChatInputError when the conversation uses every private-use character there is
   */
  constructor(markers: readonly string[], texts: readonly string[]) {
    const first = new Set(markers.filter((text) => text.trim() !== '').map(firstCharacter));
    const used = new Set<string>();
    for (const text of texts) for (const character of text) used.add(character);
    const standIn = new Map<string, string>();
    let codePoint = FIRST_STAND_IN;
    for (const character of first) {
      while (used.has(String.fromCodePoint(codePoint))) codePoint += 1;
      if (codePoint > LAST_STAND_IN) {
        throw new ChatInputError(
          'unsupported_text',
          'messages',
          'The messages use every private-use character there is; none is left to mark text with.',
        );
      }
      standIn.set(character, String.fromCodePoint(codePoint));
      codePoint += 1;
    }
    this.#standIn = standIn;
    this.#original = new Map([...standIn].map(([character, replaced]) => [replaced, character]));
  }

  hide(text: string): string {
    return replaceCharacters(text, this.#standIn);
  }

  restore(text: string): string {
    return replaceCharacters(text, this.#original);
  }
}

/** Supplementary private use area A, whose characters have no meaning and no normal form but themselves. */
const FIRST_STAND_IN = 0xf0000;
const LAST_STAND_IN = 0xffffd;

function firstCharacter(text: string): string {
  return String.fromCodePoint(text.codePointAt(0) ?? 0);
}

function replaceCharacters(text: string, replacements: ReadonlyMap<string, string>): string {
  let replaced = text;
  for (const [from, to] of replacements) replaced = replaced.replaceAll(from, to);
  return replaced;
}
