import { either } from './ebnf.ts';
import { integerRange, LARGEST_INTEGER } from './integer-range.ts';

/** An end of a range of numbers; a whole number. */
export interface End {
  readonly value: number;
  /** The end itself is not in the range. */
  readonly isOpen: boolean;
}

const ANY_FRACTION = '("" | "." [0-9]{1,15})';
const SOME_FRACTION = '"." [0-9]{0,14} [1-9]';
const ZERO: End = { value: 0, isOpen: false };
const FARTHEST: End = { value: LARGEST_INTEGER, isOpen: false };

/** EBNF of the decimal numbers between two ends; null where there are none. */
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

/** Without a sign: both ends are 0 or more. */
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
