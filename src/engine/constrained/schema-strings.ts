import { PatternError, patternGrammar } from './pattern-grammar.ts';
import { SchemaError } from './schema-error.ts';
import { countAt, onlyKeywords, type Path, type SchemaObject, shown } from './schema-walk.ts';
import { STRING_FORMATS } from './string-formats.ts';

/** Beyond it the masks of a large vocabulary take seconds. */
const MAX_LENGTH = 128;
const MAX_PATTERN = 500;

/**
 * One of format, pattern and length: together they would be a conjunction, which a grammar does not have. A format beside
 * a pattern is what JSON Schema makes of formats, a note: libraries that write both have put the format in the pattern.
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
