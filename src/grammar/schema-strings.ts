import { PatternError, patternGrammar } from './pattern-grammar.ts';
import { SchemaError } from './schema-error.ts';
import type { CheckContext } from './schema-types.ts';
import { countAt, onlyKeywords, type Path, type SchemaObject, shown } from './schema-walk.ts';
import { STRING_FORMATS } from './string-formats.ts';

const MAX_PATTERN = 500;

/** One of format, pattern and length: together they would be a conjunction, which a grammar does not have. */
export function stringSchema(
  schema: SchemaObject,
  { path, limits }: Pick<CheckContext, 'path' | 'limits'>,
): SchemaObject {
  if (schema['format'] !== undefined) return formatSchema(schema, path);
  if (schema['pattern'] !== undefined) return patternSchema(schema, path);
  onlyKeywords(schema, ['type', 'minLength', 'maxLength'], path);
  const minLength = countAt(schema, 'minLength', path);
  const maxLength = countAt(schema, 'maxLength', path);
  if (minLength !== undefined && maxLength !== undefined && minLength > maxLength) {
    throw new SchemaError([...path, 'minLength'], `is more than \`maxLength\`, ${maxLength}`);
  }
  const key = maxLength === undefined ? 'minLength' : 'maxLength';
  limits.characters([...path, key], maxLength ?? minLength ?? 0);
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
  onlyKeywords(schema, ['type', 'pattern'], path);
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
