import { type End, numberRange } from './number-range.ts';
import { SchemaError } from './schema-error.ts';
import { onlyKeywords, type Path, type SchemaObject, shown } from './schema-walk.ts';

export const BOUNDS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const;

/** The ends of the range that the bounds leave; those not given are open. */
export interface Ends {
  readonly least?: End | undefined;
  readonly most?: End | undefined;
}

export function integerSchema(schema: SchemaObject, path: Path): SchemaObject {
  const { least, most } = endsOf(schema, path);
  const minimum = least && (least.isOpen ? least.value + 1 : least.value);
  const maximum = most && (most.isOpen ? most.value - 1 : most.value);
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    throw new SchemaError(path, `leaves no integer: from ${minimum} to ${maximum}`);
  }
  return {
    type: 'integer',
    ...(minimum !== undefined && { minimum }),
    ...(maximum !== undefined && { maximum }),
  };
}

export function numberSchema(schema: SchemaObject, path: Path): SchemaObject {
  const { least, most } = endsOf(schema, path);
  if (numberRange(least, most) === null) {
    throw new SchemaError(path, `leaves no number: from ${least?.value} to ${most?.value}`);
  }
  return {
    type: 'number',
    ...(least && { [least.isOpen ? 'exclusiveMinimum' : 'minimum']: least.value }),
    ...(most && { [most.isOpen ? 'exclusiveMaximum' : 'maximum']: most.value }),
  };
}

/** @param schema checked: at most one bound on each side */
export function numberEnds(schema: SchemaObject): Ends {
  return endsOf(schema, []);
}

/** The stronger of a bound and an exclusive bound on each side. */
function endsOf(schema: SchemaObject, path: Path): Ends {
  onlyKeywords(schema, ['type', ...BOUNDS], path);
  for (const key of BOUNDS) {
    const value = schema[key];
    if (value === undefined || Number.isSafeInteger(value)) continue;
    throw new SchemaError(
      [...path, key],
      `must be a whole number to be enforced; got ${shown(value)}`,
    );
  }
  const [minimum, above] = [endAt(schema, 'minimum'), endAt(schema, 'exclusiveMinimum')];
  const [maximum, below] = [endAt(schema, 'maximum'), endAt(schema, 'exclusiveMaximum')];
  return {
    least: above === undefined || (minimum && minimum.value > above.value) ? minimum : above,
    most: below === undefined || (maximum && maximum.value < below.value) ? maximum : below,
  };
}

function endAt(schema: SchemaObject, key: (typeof BOUNDS)[number]): End | undefined {
  const value = schema[key];
  return typeof value === 'number' ? { value, isOpen: key.startsWith('exclusive') } : undefined;
}
