import { either } from './ebnf.ts';

/** Most digits of an integer: all such integers are exact as doubles. */
const MAX_DIGITS = 15;
export const LARGEST_INTEGER = 10 ** MAX_DIGITS - 1;

/** EBNF of the integers in a range, both ends included. An open end stops where doubles stop being exact. */
export function integerRange(
  least: number = -LARGEST_INTEGER,
  most: number = LARGEST_INTEGER,
): string {
  const alternatives: string[] = [];
  if (least < 0) alternatives.push(`"-" ${positive(Math.max(1, -most), -least)}`);
  if (least <= 0 && most >= 0) alternatives.push('"0"');
  if (most > 0) alternatives.push(positive(Math.max(1, least), most));
  return either(alternatives);
}

/** Positive integers, one alternative per number of digits. */
function positive(least: number, most: number): string {
  const [low, high] = [String(least), String(most)];
  const alternatives: string[] = [];
  for (let length = low.length; length <= high.length; length++) {
    const from = length === low.length ? low : `1${'0'.repeat(length - 1)}`;
    const to = length === high.length ? high : '9'.repeat(length);
    alternatives.push(sameLength(from, to));
  }
  return either(alternatives);
}

/** Integers between two ends with equally many digits. */
function sameLength(from: string, to: string): string {
  if (from === '') return '""';
  if (from === to) return `"${from}"`;
  const rest = from.length - 1;
  const [low, high] = [Number(from.charAt(0)), Number(to.charAt(0))];
  const lowIsAll = /^0*$/.test(from.slice(1));
  const highIsAll = /^9*$/.test(to.slice(1));
  if (lowIsAll && highIsAll) return `${digits(low, high)} ${anyDigits(rest)}`;
  if (low === high) return `"${low}" ${sameLength(from.slice(1), to.slice(1))}`;
  const alternatives: string[] = [];
  if (!lowIsAll) alternatives.push(`"${low}" ${sameLength(from.slice(1), '9'.repeat(rest))}`);
  const first = lowIsAll ? low : low + 1;
  const last = highIsAll ? high : high - 1;
  if (first <= last) alternatives.push(`${digits(first, last)} ${anyDigits(rest)}`);
  if (!highIsAll) alternatives.push(`"${high}" ${sameLength('0'.repeat(rest), to.slice(1))}`);
  return either(alternatives);
}

function digits(from: number, to: number): string {
  return from === to ? `"${from}"` : `[${from}-${to}]`;
}

function anyDigits(count: number): string {
  return count === 0 ? '""' : `[0-9]{${count}}`;
}

/** End of a range of numbers; an integer. */
export interface End {
  readonly value: number;
  /** The range excludes the end itself. */
  readonly isOpen: boolean;
}

const ANY_FRACTION = '("" | "." [0-9]{1,15})';
const SOME_FRACTION = '"." [0-9]{0,14} [1-9]';
const ZERO: End = { value: 0, isOpen: false };
const FARTHEST: End = { value: LARGEST_INTEGER, isOpen: false };

/** EBNF of the decimal numbers in a range; null for an empty range. */
export function numberRange(least: End | undefined, most: End | undefined): string | null {
  const alternatives: string[] = [];
  const below = least === undefined ? FARTHEST : negated(least);
  const negative = between(
    most !== undefined && most.value < 0 ? negated(most) : open(ZERO),
    below,
  );
  if ((least === undefined || least.value < 0) && negative !== null) {
    alternatives.push(`"-" ${negative}`);
  }
  if (most === undefined || most.value >= 0) {
    const from = least !== undefined && least.value >= 0 ? least : ZERO;
    const positive = between(from, most ?? FARTHEST);
    if (positive !== null) alternatives.push(positive);
  }
  return alternatives.length === 0 ? null : either(alternatives);
}

/** Numbers without a sign: both ends are 0 or more. */
function between(from: End, to: End): string | null {
  if (from.value > to.value) return null;
  if (from.value === to.value) return from.isOpen || to.isOpen ? null : `"${from.value}"`;
  const alternatives = [`"${from.value}" ${from.isOpen ? SOME_FRACTION : ANY_FRACTION}`];
  if (to.value - from.value > 1) {
    alternatives.push(`${integerRange(from.value + 1, to.value - 1)} ${ANY_FRACTION}`);
  }
  if (!to.isOpen) alternatives.push(`"${to.value}"`);
  return either(alternatives);
}

function negated({ value, isOpen }: End): End {
  return { value: -value, isOpen };
}

function open({ value }: End): End {
  return { value, isOpen: true };
}
