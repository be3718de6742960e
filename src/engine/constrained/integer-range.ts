import { either } from './ebnf.ts';

/** Digits of the largest integers written: all of them are exact as numbers. */
const MAX_DIGITS = 15;
export const LARGEST_INTEGER = 10 ** MAX_DIGITS - 1;

/** EBNF of the integers of a range, both ends included; an open end is where numbers stop being exact. */
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

/** From 1 on, number of digits by number of digits. */
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

/** Numbers of as many digits as their ends have. */
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
