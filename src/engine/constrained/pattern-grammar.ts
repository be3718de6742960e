import {
  allBut,
  type CodeRange,
  characterClass,
  DIGITS,
  SPACE,
  standsRaw,
  WORDS,
} from './character-class.ts';
import { either, repeated } from './ebnf.ts';

const MAX_REPEATED = 64;
/** A part of a pattern that cannot be enforced. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/**
 * Turns a regular expression into EBNF of texts that match it as a whole and stand in a JSON string without an escape.
 * Literals, classes, groups, alternation and quantifiers are understood.
 * @throws PatternError naming what is not
 */
export function patternGrammar(pattern: string): string {
  const reader = new PatternReader(pattern);
  return reader.whole();
}

class PatternReader {
  readonly #characters: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    // The ends are anchored anyhow.
    const body = pattern.replace(/^\^/, '').replace(/(^|[^\\])\$$/, '$1');
    this.#characters = Array.from(body);
  }

  whole(): string {
    const grammar = this.#alternatives();
    if (this.#at < this.#characters.length) throw new PatternError('a ")" without its "("');
    return grammar;
  }

  #alternatives(): string {
    const alternatives = [this.#sequence()];
    while (this.#take('|')) alternatives.push(this.#sequence());
    return `(${alternatives.join(' | ')})`;
  }

  #sequence(): string {
    const parts: string[] = [];
    for (let next = this.#peek(); next !== undefined && !'|)'.includes(next); next = this.#peek()) {
      parts.push(this.#quantified(this.#atom()));
    }
    return parts.length === 0 ? '""' : parts.join(' ');
  }

  #atom(): string {
    const character = this.#next();
    if (character === '(') return this.#group();
    if (character === '[') return this.#class();
    if (character === '\\') return this.#escape();
    if (character === '^' || character === '$') throw new PatternError('an anchor within');
    // Two rare line ends, U+2028 and U+2029, are let through as well.
    if (character === '.') return written(allBut([]));
    return written(characterClass([plain(character)]));
  }

  #group(): string {
    if (this.#take('?') && !this.#take(':')) throw new PatternError('a look-around or a name');
    const grammar = this.#alternatives();
    if (!this.#take(')')) throw new PatternError('a "(" without its ")"');
    return grammar;
  }

  #escape(): string {
    const character = this.#next();
    if (character === 'D') return written(allBut(DIGITS));
    if (character === 'W') return written(allBut(WORDS));
    // There is white space beyond ASCII.
    if (character === 'S') return written(allBut(SPACE, false));
    return written(characterClass(escapeRanges(character)));
  }

  #class(): string {
    const isNegated = this.#take('^');
    const members: CodeRange[] = [];
    while (!this.#take(']')) members.push(...this.#member());
    if (members.length === 0) throw new PatternError('an empty class');
    return written(isNegated ? allBut(members) : characterClass(members));
  }

  #member(): readonly CodeRange[] {
    const first = this.#next();
    if (first === '\\') return escapeRanges(this.#next());
    const isRange = this.#peek() === '-' && this.#characters[this.#at + 1] !== ']';
    if (!isRange) return [plain(first)];
    this.#next();
    const last = this.#next();
    if (last === '\\') throw new PatternError('a range that ends with an escape');
    const range: CodeRange = [plain(first)[0], plain(last)[0]];
    if (standsRaw(range)) return [range];
    throw new PatternError(`the range ${first}-${last}, which has a quote or a backslash in it`);
  }

  #quantified(atom: string): string {
    const [least, most] = this.#quantifier();
    // Lazy or not, the texts are the same.
    if (least !== 1 || most !== 1) this.#take('?');
    if ((most ?? least) > MAX_REPEATED) {
      throw new PatternError(`more than ${MAX_REPEATED} repetitions`);
    }
    return least === 1 && most === 1 ? atom : repeated(either([atom]), least, most);
  }

  #quantifier(): readonly [number, number | undefined] {
    if (this.#take('*')) return [0, undefined];
    if (this.#take('+')) return [1, undefined];
    if (this.#take('?')) return [0, 1];
    const rest = this.#characters.slice(this.#at).join('');
    const counts = /^\{(\d+)(,?)(\d*)\}/.exec(rest);
    if (counts === null) return [1, 1];
    this.#at += Array.from(counts[0]).length;
    const [, least = '', comma, most = ''] = counts;
    if (comma === '') return [Number(least), Number(least)];
    return [Number(least), most === '' ? undefined : Number(most)];
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw new PatternError('an end that comes too early');
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }
}

/** @throws PatternError for what cannot be written as a class */
function written(grammar: string | null): string {
  if (grammar !== null) return grammar;
  throw new PatternError('a class of too many characters beyond ASCII, or a negated one with any');
}

function plain(character: string): CodeRange {
  const code = character.codePointAt(0) ?? 0;
  const range: CodeRange = [code, code];
  if (standsRaw(range)) return range;
  throw new PatternError('a quote, a backslash or a control character');
}

function escapeRanges(character: string): readonly CodeRange[] {
  if (character === 'd') return DIGITS;
  if (character === 'w') return WORDS;
  if (character === 's') return SPACE;
  if (/^[A-Za-z0-9]$/.test(character)) throw new PatternError(`"\\${character}"`);
  return [plain(character)];
}
