import { scaleNamed, type Unit, unitNamed } from './units.ts';

/** A number as it was written, and the unit beside it. */
export interface Quantity {
  /** In the written unit. */
  readonly value: number;
  readonly unit: Unit | null;
  /** Digits after the point; null for a fraction or a word. */
  readonly decimals: number | null;
  /** Where it stands in the text, and where it ends. */
  readonly start: number;
  readonly end: number;
}

const WORDS = [
  ...['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'],
  ...['eleven', 'twelve', 'thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen'],
  ...['nineteen', 'twenty'],
];

const NUMBER = String.raw`(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?|\.\d+`;
/** Sign, currency, number, rest of a fraction or of a mixed number; or a number word. */
const QUANTITY = new RegExp(
  String.raw`(?<![\p{L}\p{N}_])([-−+])?\s?([$€£])?\s?(${NUMBER})(?:\s?/\s?(\d+)(?![\d.])|\s(\d+)/(\d+))?|(?<![\p{L}\p{N}_])(${WORDS.join('|')})(?![\p{L}\p{N}_])`,
  'giu',
);
/** What may follow a number: a scale word, a unit. */
const SUFFIX =
  /^[\s-]?(?:(hundred|thousand|million|billion|trillion)\b\s?)?(%|°|¢|[$€£]|\p{L}+(?:\^?[23]|[²³])?)?/iu;

/** Every number of a text, in order. LaTeX fractions and spacing are understood. */
export function quantitiesIn(text: string): Quantity[] {
  const plain = text
    .replace(/\\d?frac\{([^{}]+)\}\{([^{}]+)\}/g, '$1/$2')
    .replace(/\\(?:text|mathrm)\{([^{}]*)\}/g, ' $1')
    .replace(/\^\{?\\circ\}?/g, '°')
    .replace(/\\[,;! ]|\{,\}/g, (gap) => (gap === '{,}' ? ',' : ' '))
    .replace(/\\([%$])/g, '$1');
  return [...plain.matchAll(QUANTITY)].map((match) => toQuantity(match, plain));
}

function toQuantity(match: RegExpExecArray, text: string): Quantity {
  const [whole, sign, currency, digits, over, numerator, denominator, word] = match;
  const end = match.index + whole.length;
  const [, scaleWord, unitWord] = SUFFIX.exec(text.slice(end)) ?? [];
  const scale = scaleWord === undefined ? 1 : (scaleNamed(scaleWord) ?? 1);
  const unit = unitNamed(currency ?? unitWord ?? '');
  const base = { unit, start: match.index, end };
  if (word !== undefined) {
    return { ...base, value: WORDS.indexOf(word.toLowerCase()) * scale, decimals: null };
  }
  const written = (digits ?? '').replaceAll(',', '');
  const isFraction = over !== undefined || denominator !== undefined;
  const size =
    Number(written) / Number(over ?? 1) + Number(numerator ?? 0) / Number(denominator ?? 1);
  const isNegative = sign === '-' || sign === '−';
  const decimals = isFraction || scale !== 1 || /e/i.test(written) ? null : decimalsOf(written);
  return { ...base, value: (isNegative ? -size : size) * scale, decimals };
}

function decimalsOf(written: string): number {
  const point = written.indexOf('.');
  return point < 0 ? 0 : written.length - point - 1;
}

/** The text as one quantity and nothing else; null where it is something else as well. */
export function soleQuantity(text: string): Quantity | null {
  const [quantity, ...others] = quantitiesIn(text);
  if (quantity === undefined || others.length > 0) return null;
  const rest = text
    .replace(/[\d.,/\s$€£%°−+-]/g, ' ')
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  const isNumberWord = (word: string): boolean => WORDS.includes(word.toLowerCase());
  const isKnown = (word: string): boolean =>
    isNumberWord(word) ||
    scaleNamed(word) !== null ||
    unitNamed(word) !== null ||
    /^e$/i.test(word);
  return rest.length <= 2 && rest.every(isKnown) ? quantity : null;
}
