import { either, literal } from './ebnf.ts';

/** Code points from one to another, both included. */
export type CodeRange = readonly [number, number];

export const DIGITS: readonly CodeRange[] = [[0x30, 0x39]];
export const WORDS: readonly CodeRange[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** White space of which there is one kind here: others stand in no JSON string as they are, or are not ASCII. */
export const SPACE: readonly CodeRange[] = [[0x20, 0x20]];

/** What stands in no JSON string as it is: control characters, quote, backslash. */
const NOT_RAW: readonly CodeRange[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];
const LAST_ASCII = 0x7f;
const LAST = 0x10ffff;
/** Most characters beyond ASCII of a range, which are written one by one. */
const MAX_LISTED = 128;

/**
 * EBNF of one of some characters of a JSON string; null where it cannot be written. The library's classes hold for
 * ASCII alone: what is beyond it is listed.
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
 * EBNF of every character of a JSON string that is none of these; null where some of them are not ASCII.
 * @param beyond whether characters beyond ASCII are among the others
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

/** Whether all of these may stand in a JSON string as they are. */
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
