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
