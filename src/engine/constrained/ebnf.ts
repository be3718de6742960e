/** Text as a literal of xgrammar's EBNF. */
export function literal(text: string): string {
  return `"${Array.from(text, escaped).join('')}"`;
}

/** One character inside a literal or a class. */
export function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (/^[A-Za-z0-9 _:;,.{}()<>/=!?@#%&*+$~|`']$/.test(character)) return character;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

export function either(alternatives: readonly string[]): string {
  return alternatives.length === 1 ? (alternatives[0] ?? '""') : `(${alternatives.join(' | ')})`;
}

/** Repetition of an expression. @param most undefined for no limit */
export function repeated(what: string, least: number, most: number | undefined): string {
  if (most === 0) return '""';
  if (most === undefined) return least === 0 ? `${what}*` : `${what}{${least},}`;
  return `${what}{${least},${most}}`;
}

/** Range of code points, both ends included. */
export type CodeRange = readonly [number, number];

export const DIGITS: readonly CodeRange[] = [[0x30, 0x39]];
export const WORDS: readonly CodeRange[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** White space inside a JSON string. Other kinds must be escaped there, or are not ASCII. */
export const SPACE: readonly CodeRange[] = [[0x20, 0x20]];

/** Characters that a JSON string must escape: control characters, quote, backslash. */
const NOT_RAW: readonly CodeRange[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];
const LAST_ASCII = 0x7f;
const LAST = 0x10ffff;
/** Most characters of a range beyond ASCII; they are listed one by one. */
const MAX_LISTED = 128;

/**
 * EBNF of one character of the ranges in a JSON string; null where it cannot be expressed. Classes of xgrammar work for
 * ASCII only, so characters beyond it are listed.
 */
export function characterClass(ranges: readonly CodeRange[]): string | null {
  const ascii = ranges.filter(([from]) => from <= LAST_ASCII);
  const beyond = ranges.filter(([, to]) => to > LAST_ASCII);
  const listed = beyond.flatMap(([from, to]) =>
    codesBeyondAscii(from, Math.min(to, from + MAX_LISTED)),
  );
  if (beyond.some(([from, to]) => to - Math.max(from, LAST_ASCII) > MAX_LISTED)) return null;
  const literals = listed.map((code) => literal(String.fromCodePoint(code)));
  return either([...(ascii.length === 0 ? [] : [asciiClass(ascii)]), ...literals]);
}

/**
 * EBNF of one character of a JSON string outside the ranges; null where a range goes beyond ASCII.
 * @param beyond whether characters beyond ASCII are allowed
 */
export function allBut(excluded: readonly CodeRange[], beyond = true): string | null {
  if (excluded.some(([, to]) => to > LAST_ASCII)) return null;
  const gaps: CodeRange[] = [];
  let next = 0;
  for (const [from, to] of [...excluded, ...NOT_RAW].sort((a, b) => a[0] - b[0])) {
    if (from > next) gaps.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= LAST_ASCII) gaps.push([next, LAST_ASCII]);
  const others = beyond ? ['[^\\0-\\x7f]'] : [];
  return either([...(gaps.length === 0 ? [] : [asciiClass(gaps)]), ...others]);
}

/** Whether none of these characters must be escaped in a JSON string. */
export function standsRaw([from, to]: CodeRange): boolean {
  return to <= LAST && NOT_RAW.every(([first, last]) => to < first || from > last);
}

function asciiClass(ranges: readonly CodeRange[]): string {
  const members = ranges.map(([from, to]) =>
    from === to
      ? escapedCode(from)
      : `${escapedCode(from)}-${escapedCode(Math.min(to, LAST_ASCII))}`,
  );
  return `[${members.join('')}]`;
}

function codesBeyondAscii(from: number, to: number): number[] {
  const first = Math.max(from, LAST_ASCII + 1);
  return Array.from({ length: Math.max(0, to - first + 1) }, (_, index) => first + index);
}

function escapedCode(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`;
}
