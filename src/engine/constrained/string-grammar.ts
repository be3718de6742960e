import {
  allBut,
  type CodeRange,
  characterClass,
  DIGITS,
  either,
  repeated,
  SPACE,
  standsRaw,
  WORDS,
} from './ebnf.ts';

/**
 * EBNF of the text between the quotes, for the formats that can be enforced. All texts it allows are valid in the format,
 * but it does not allow all valid texts: 29 February and quoted mail addresses are missing.
 */
const DATE =
  '([0-9]{4} "-" ((("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])) | (("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30")) | ("02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))))';
const CLOCK = '("0" [0-9] | "1" [0-9] | "2" [0-3]) ":" [0-5] [0-9]';
const TIME = `(${CLOCK} ":" [0-5] [0-9] ("" | "." [0-9]{1,6}) ("Z" | [+\\-] ${CLOCK}))`;
const BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])';
const LABEL = '([a-z0-9]+ ("" | "-" [a-z0-9]+))';
const HOST = `(${LABEL} ("." ${LABEL}){0,3} "." [a-z]{2,10})`;

export const STRING_FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  'date-time': `(${DATE} "T" ${TIME})`,
  uuid: '([0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12})',
  ipv4: `(${BYTE} "." ${BYTE} "." ${BYTE} "." ${BYTE})`,
  hostname: HOST,
  email: `([A-Za-z0-9]+ ([._+\\-] [A-Za-z0-9]+){0,3} "@" ${HOST})`,
  uri: `("http" ("" | "s") "://" ${HOST} ("" | "/" [A-Za-z0-9._~/\\-]*))`,
};

const MAX_REPEATED = 64;
/** A part of a pattern that cannot be enforced. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/**
 * Translates a regular expression to EBNF of the texts that match as a whole and need no escape in a JSON string.
 * Supports literals, classes, groups, alternation and quantifiers.
 * @throws PatternError naming an unsupported part
 */
export function patternGrammar(pattern: string): string {
  const reader = new PatternReader(pattern);
  return reader.whole();
}

class PatternReader {
  readonly #characters: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    // The whole text must match, so anchors at the ends change nothing.
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
    // This also allows two rare line ends, U+2028 and U+2029.
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
    // White space exists beyond ASCII too.
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
    // A lazy quantifier matches the same texts.
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

/** @throws PatternError when the class cannot be expressed */
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
