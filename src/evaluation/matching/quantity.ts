/** Units that answers come in: what they measure, and how many of the dimension's base unit they are. */
export interface Unit {
  readonly dimension: string;
  readonly factor: number;
}

const TABLE: Readonly<Record<string, readonly (readonly [factor: number, names: string])[]>> = {
  length: [
    [1e-3, 'mm millimeter millimeters millimetre millimetres'],
    [1e-2, 'cm centimeter centimeters centimetre centimetres'],
    [1, 'm meter meters metre metres'],
    [1e3, 'km kilometer kilometers kilometre kilometres'],
    [0.0254, 'in inch inches'],
    [0.3048, 'ft foot feet'],
    [0.9144, 'yd yard yards'],
    [1609.344, 'mi mile miles'],
  ],
  area: [
    [1e-4, 'cm² cm^2 cm2'],
    [1, 'm² m^2 m2'],
    [1e6, 'km² km^2 km2'],
  ],
  volume: [
    [1e-6, 'cm³ cm^3 cm3 ml milliliter milliliters millilitre millilitres'],
    [1e-3, 'l liter liters litre litres'],
    [1, 'm³ m^3 m3'],
  ],
  mass: [
    [1e-6, 'mg milligram milligrams'],
    [1e-3, 'g gram grams'],
    [1, 'kg kilogram kilograms'],
    [1e3, 't tonne tonnes'],
    [0.45359237, 'lb lbs pound pounds'],
    [0.028349523125, 'oz ounce ounces'],
  ],
  time: [
    [1e-3, 'ms millisecond milliseconds'],
    [1, 's sec secs second seconds'],
    [60, 'min mins minute minutes'],
    [3600, 'h hr hrs hour hours'],
    [86_400, 'd day days'],
  ],
  angle: [[1, '° deg degree degrees']],
  ratio: [[0.01, '% percent per-cent']],
  dollar: [
    [1, '$ usd dollar dollars'],
    [0.01, '¢ cent cents'],
  ],
  euro: [[1, '€ eur euro euros']],
  sterling: [[1, '£ gbp']],
};

const UNITS: ReadonlyMap<string, Unit> = new Map(
  Object.entries(TABLE).flatMap(([dimension, rows]) =>
    rows.flatMap(([factor, names]) =>
      names.split(' ').map((name): [string, Unit] => [name, { dimension, factor }]),
    ),
  ),
);

/** Words that multiply the number before them. */
const SCALES: ReadonlyMap<string, number> = new Map([
  ['hundred', 1e2],
  ['thousand', 1e3],
  ['million', 1e6],
  ['billion', 1e9],
  ['trillion', 1e12],
]);

export function unitNamed(word: string): Unit | null {
  return UNITS.get(word) ?? UNITS.get(word.toLowerCase()) ?? null;
}

export function scaleNamed(word: string): number | null {
  return SCALES.get(word.toLowerCase()) ?? null;
}

/** A number as written, and its unit. */
export interface Quantity {
  /** In the written unit. */
  readonly value: number;
  readonly unit: Unit | null;
  /** Digits after the point; null for a fraction or a word. */
  readonly decimals: number | null;
  /** Start and end in the text. */
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
/** A scale word and a unit after a number. */
const SUFFIX =
  /^[\s-]?(?:(hundred|thousand|million|billion|trillion)\b\s?)?(%|°|¢|[$€£]|\p{L}+(?:\^?[23]|[²³])?)?/iu;

/** Every number of a text, in order; reads LaTeX fractions and spacing. */
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
