import { type End, numberRange } from './number-ranges.ts';
import {
  countAt,
  onlyKeywords,
  type Path,
  SchemaError,
  type SchemaObject,
  shown,
} from './schema-walk.ts';
import { PatternError, patternGrammar, STRING_FORMATS } from './string-grammar.ts';

/** With a larger length the masks of a large vocabulary take seconds. */
const MAX_LENGTH = 128;
const MAX_PATTERN = 500;

/**
 * Checks a string schema: one of format, pattern and length, because a grammar cannot express their conjunction. A format
 * beside a pattern is an annotation, as in JSON Schema: libraries that write both put the format into the pattern.
 */
export function stringSchema(schema: SchemaObject, path: Path): SchemaObject {
  if (schema['pattern'] !== undefined) return patternSchema(schema, path);
  if (schema['format'] !== undefined) return formatSchema(schema, path);
  onlyKeywords(schema, ['type', 'minLength', 'maxLength'], path);
  const minLength = countAt(schema, 'minLength', path);
  const maxLength = countAt(schema, 'maxLength', path);
  if (minLength !== undefined && maxLength !== undefined && minLength > maxLength) {
    throw new SchemaError([...path, 'minLength'], `is more than \`maxLength\`, ${maxLength}`);
  }
  for (const [key, length] of Object.entries({ minLength, maxLength })) {
    if (length === undefined || length <= MAX_LENGTH) continue;
    throw new SchemaError([...path, key], `is ${length}; at most ${MAX_LENGTH} can be enforced`);
  }
  return {
    type: 'string',
    ...(minLength !== undefined && { minLength }),
    ...(maxLength !== undefined && { maxLength }),
  };
}

function formatSchema(schema: SchemaObject, path: Path): SchemaObject {
  onlyKeywords(schema, ['type', 'format'], path);
  const { format } = schema;
  if (typeof format !== 'string' || STRING_FORMATS[format] === undefined) {
    const listed = Object.keys(STRING_FORMATS).join(', ');
    throw new SchemaError(
      [...path, 'format'],
      `must be one that can be enforced (${listed}); got ${shown(format)}`,
    );
  }
  return { type: 'string', format };
}

function patternSchema(schema: SchemaObject, path: Path): SchemaObject {
  onlyKeywords(schema, ['type', 'pattern', 'format'], path);
  const at = [...path, 'pattern'];
  const { pattern } = schema;
  if (typeof pattern !== 'string' || pattern.length > MAX_PATTERN) {
    throw new SchemaError(at, `must be text of at most ${MAX_PATTERN} characters`);
  }
  try {
    new RegExp(pattern, 'u');
  } catch {
    throw new SchemaError(at, `is no regular expression: ${shown(pattern)}`);
  }
  try {
    patternGrammar(pattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new SchemaError(at, `has ${error.message}, which cannot be enforced: ${shown(pattern)}`);
  }
  return { type: 'string', pattern };
}

export const BOUNDS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const;

/** Range that the bounds leave; an end without a bound is open. */
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

/** Range of a checked schema, which has at most one bound on each side. */
export function numberEnds(schema: SchemaObject): Ends {
  return endsOf(schema, []);
}

/** The stricter of a bound and an exclusive bound on each side. */
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
