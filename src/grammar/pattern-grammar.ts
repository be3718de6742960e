import { either, escaped, repeated } from './ebnf.ts';

const MAX_REPEATED = 64;
const DIGIT = '0-9';
const WORD = 'A-Za-z0-9_';
/** Characters that stand for themselves in JSON as in the pattern: no quote, no backslash, no control character. */
const PLAIN = /^[^"\\\p{Cc}]$/u;

/** A part of a pattern that cannot be enforced. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/**
 * Turns a regular expression into EBNF of the texts that match it as a whole. Literals, classes, groups, alternation
 * and quantifiers are understood.
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
    if (character === '.') throw new PatternError('"."');
    return `[${plain(character)}]`;
  }

  #group(): string {
    if (this.#take('?') && !this.#take(':')) throw new PatternError('a look-around or a name');
    const grammar = this.#alternatives();
    if (!this.#take(')')) throw new PatternError('a "(" without its ")"');
    return grammar;
  }

  #escape(): string {
    return `[${escapeClass(this.#next())}]`;
  }

  #class(): string {
    if (this.#take('^')) throw new PatternError('a negated class');
    let members = '';
    while (!this.#take(']')) members += this.#member();
    if (members === '') throw new PatternError('an empty class');
    return `[${members}]`;
  }

  #member(): string {
    const first = this.#next();
    if (first === '\\') return escapeClass(this.#next());
    const isRange = this.#peek() === '-' && this.#characters[this.#at + 1] !== ']';
    if (!isRange) return plain(first);
    this.#next();
    const last = this.#next();
    if (last === '\\') throw new PatternError('a range that ends with an escape');
    // A range must not go over the quote or the backslash.
    if (['"', '\\'].some((bad) => first <= bad && bad <= last)) {
      throw new PatternError(`the range ${first}-${last}, which has a quote or a backslash in it`);
    }
    return `${plain(first)}-${plain(last)}`;
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

function plain(character: string): string {
  if (PLAIN.test(character)) return escaped(character);
  throw new PatternError('a quote, a backslash or a control character');
}

function escapeClass(character: string): string {
  if (character === 'd') return DIGIT;
  if (character === 'w') return WORD;
  if (/^[A-Za-z0-9]$/.test(character)) throw new PatternError(`"\\${character}"`);
  return plain(character);
}
