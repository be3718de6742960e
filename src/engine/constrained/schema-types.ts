import { BOUNDS, integerSchema, numberSchema, stringSchema } from './schema-scalars.ts';
import {
  countAt,
  listAt,
  objectAt,
  onlyKeywords,
  type Path,
  SchemaError,
  type SchemaObject,
  shown,
} from './schema-walk.ts';

export interface CheckContext {
  readonly path: Path;
  readonly check: (schema: unknown, path: Path) => SchemaObject;
}

const MAX_ITEMS = 1_000;
const OBJECT = ['properties', 'required', 'additionalProperties', 'propertyNames'] as const;
const ARRAY = ['items', 'prefixItems', 'minItems', 'maxItems'] as const;

/** Checks a schema that is neither a reference nor a union. */
export function checkTyped(schema: SchemaObject, context: CheckContext): SchemaObject {
  const { path } = context;
  const type = schema['type'] ?? impliedType(schema, path);
  if (type === undefined) return {};
  if (!Array.isArray(type)) return checkOne({ ...schema, type }, context);
  if (type.length === 0) throw new SchemaError([...path, 'type'], 'names no type');
  const kept = type.map((name) => ({ ...keywordsOf(String(name), schema), type: name }));
  const used = new Set(kept.flatMap((branch) => Object.keys(branch)));
  onlyKeywords(schema, [...used], path);
  return { anyOf: kept.map((branch) => checkOne(branch, context)) };
}

function checkOne(schema: SchemaObject, context: CheckContext): SchemaObject {
  const { path } = context;
  switch (schema['type']) {
    case 'object':
      return objectSchema(schema, context);
    case 'array':
      return arraySchema(schema, context);
    case 'string':
      return stringSchema(schema, path);
    case 'integer':
      return integerSchema(schema, path);
    case 'number':
      return numberSchema(schema, path);
    case 'boolean':
    case 'null':
      onlyKeywords(schema, ['type'], path);
      return { type: schema['type'] };
    default:
      throw new SchemaError(
        [...path, 'type'],
        `must be object, array, string, integer, number, boolean or null; got ${shown(schema['type'])}`,
      );
  }
}

/** Type that the keywords imply where none is named. */
function impliedType(schema: SchemaObject, path: Path): string | undefined {
  const [first] = Object.keys(schema);
  if (first === undefined) return undefined;
  if (OBJECT.some((key) => key in schema)) return 'object';
  if (ARRAY.some((key) => key in schema)) return 'array';
  throw new SchemaError([...path, first], 'cannot be enforced without `type`');
}

function keywordsOf(type: string, schema: SchemaObject): SchemaObject {
  const own: Readonly<Record<string, readonly string[]>> = {
    object: OBJECT,
    array: ARRAY,
    string: ['minLength', 'maxLength', 'pattern', 'format'],
    integer: BOUNDS,
    number: BOUNDS,
  };
  const entries = Object.entries(schema).filter(([key]) => own[type]?.includes(key) === true);
  return Object.fromEntries([...entries, ['type', type]]);
}

function objectSchema(schema: SchemaObject, { path, check }: CheckContext): SchemaObject {
  onlyKeywords(schema, ['type', ...OBJECT], path);
  checkNames(schema['propertyNames'], [...path, 'propertyNames']);
  const more = schema['additionalProperties'];
  const given = objectAt(schema['properties'] ?? {}, [...path, 'properties']);
  const names = Object.keys(given);
  const required = requiredOf(schema, names, path);
  if (names.length === 0 && schema['properties'] === undefined) {
    if (more === false) return { type: 'object', properties: {}, additionalProperties: false };
    const at = [...path, 'additionalProperties'];
    const rest = more === undefined || more === true ? {} : check(more, at);
    return { type: 'object', additionalProperties: isFree(rest) ? true : rest };
  }
  checkRest(more, [...path, 'additionalProperties']);
  const properties = Object.fromEntries(
    names.map((name) => [name, check(given[name], [...path, 'properties', name])]),
  );
  return { type: 'object', properties, required, additionalProperties: false };
}

/** Accepts that other properties are allowed: the grammar writes none. Rejects a schema for them: it has no effect. */
function checkRest(more: unknown, path: Path): void {
  if (more === undefined || typeof more === 'boolean' || isFree(objectAt(more, path))) return;
  throw new SchemaError(path, 'cannot be enforced beside `properties`, but for true and false');
}

/** Property names are strings; no other constraint on them can be enforced. */
function checkNames(names: unknown, path: Path): void {
  if (names === undefined) return;
  const schema = objectAt(names, path);
  onlyKeywords(schema, ['type'], path);
  if (schema['type'] === undefined || schema['type'] === 'string') return;
  throw new SchemaError([...path, 'type'], `must be "string"; got ${shown(schema['type'])}`);
}

function requiredOf(schema: SchemaObject, names: readonly string[], path: Path): string[] {
  const required: unknown = schema['required'] ?? [];
  const at = [...path, 'required'];
  if (!Array.isArray(required)) {
    throw new SchemaError(at, `must be a list of names; got ${shown(required)}`);
  }
  return required.map((name: unknown) => {
    if (typeof name === 'string' && names.includes(name)) return name;
    throw new SchemaError(at, `names ${shown(name)}, which is not among \`properties\``);
  });
}

/** An array with exactly the items of `prefixItems`. */
function tuple(schema: SchemaObject, { path, check }: CheckContext): SchemaObject {
  const { items = false, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  if (items !== false) {
    throw new SchemaError([...path, 'items'], 'must be false beside `prefixItems` to be enforced');
  }
  const at = [...path, 'prefixItems'];
  const places = listAt(schema['prefixItems'], at);
  if (places.length < Number(minItems) || places.length > Number(maxItems)) {
    throw new SchemaError(
      at,
      `has ${places.length} places; \`minItems\` or \`maxItems\` rule that out`,
    );
  }
  return { type: 'array', prefixItems: places.map((place, i) => check(place, [...at, i])) };
}

function arraySchema(schema: SchemaObject, context: CheckContext): SchemaObject {
  const { path, check } = context;
  onlyKeywords(schema, ['type', ...ARRAY], path);
  const minItems = countAt(schema, 'minItems', path);
  const maxItems = countAt(schema, 'maxItems', path);
  for (const [key, count] of Object.entries({ minItems, maxItems })) {
    if (count !== undefined && count > MAX_ITEMS) {
      throw new SchemaError([...path, key], `is ${count}; at most ${MAX_ITEMS} can be enforced`);
    }
  }
  if (minItems !== undefined && maxItems !== undefined && minItems > maxItems) {
    throw new SchemaError([...path, 'minItems'], `is more than \`maxItems\`, ${maxItems}`);
  }
  if (schema['prefixItems'] !== undefined) return tuple(schema, context);
  const items = check(schema['items'] ?? true, [...path, 'items']);
  return {
    type: 'array',
    items,
    ...(minItems !== undefined && { minItems }),
    ...(maxItems !== undefined && { maxItems }),
  };
}

function isFree(schema: SchemaObject): boolean {
  return Object.keys(schema).length === 0;
}
