import type { CheckedSchema } from './grammar-spec.ts';
import { checkTyped } from './schema-types.ts';
import {
  listAt,
  objectAt,
  onlyKeywords,
  type Path,
  SchemaError,
  SchemaLimits,
  type SchemaObject,
  shown,
} from './schema-walk.ts';

const MAX_BYTES = 64 * 1024;
const MAX_ENUM_VALUES = 1_000;
/** Annotations: keywords that rule no value out. */
const ANNOTATIONS = new Set([
  '$schema',
  '$id',
  '$comment',
  'title',
  'description',
  'default',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'discriminator',
]);
const DEFINITIONS = ['$defs', 'definitions'] as const;

/**
 * Checks a JSON schema keyword by keyword. The result contains only keywords that the grammar enforces. Properties come in
 * the order in which the schema lists them, and an object with listed properties has no others.
 * @throws SchemaError naming the place of a keyword that cannot be enforced
 */
export function checkSchema(schema: unknown): CheckedSchema {
  const size = JSON.stringify(schema)?.length ?? 0;
  if (size > MAX_BYTES) {
    throw new SchemaError([], `has ${size} characters; at most ${MAX_BYTES} are allowed`);
  }
  return new SchemaCheck(objectAt(schema, [])).checked();
}

class SchemaCheck {
  readonly #root: SchemaObject;
  readonly #limits = new SchemaLimits();

  constructor(root: SchemaObject) {
    this.#root = root;
  }

  checked(): CheckedSchema {
    const definitions = DEFINITIONS.filter((key) => this.#root[key] !== undefined).map((key) => {
      const named = Object.entries(objectAt(this.#root[key], [key])).map(
        ([name, schema]): [string, unknown] => [name, this.#check(schema, [key, name])],
      );
      return [key, Object.fromEntries(named)] as const;
    });
    const own = Object.entries(this.#root).filter(([key]) => !isDefinitions(key));
    return {
      ...this.#check(Object.fromEntries(own), []),
      ...Object.fromEntries(definitions),
    };
  }

  #check(given: unknown, path: Path): SchemaObject {
    this.#limits.node(path);
    if (given === true) return {};
    const entries = Object.entries(objectAt(given, path)).filter(([key]) => !ANNOTATIONS.has(key));
    const schema = Object.fromEntries(entries);
    if (schema['$ref'] !== undefined) return this.#reference(schema, path);
    if (schema['enum'] !== undefined) return values(schema, 'enum', path);
    if (schema['const'] !== undefined) return values(schema, 'const', path);
    if (schema['anyOf'] !== undefined) return this.#oneOfSome(schema, 'anyOf', path);
    if (schema['oneOf'] !== undefined) return this.#oneOfSome(schema, 'oneOf', path);
    if (schema['allOf'] !== undefined) return this.#only(schema, path);
    return checkTyped(schema, {
      path,
      check: (inner, at) => this.#check(inner, at),
    });
  }

  #reference(schema: SchemaObject, path: Path): SchemaObject {
    onlyKeywords(schema, ['$ref'], path);
    const at = [...path, '$ref'];
    const seen = new Set<unknown>();
    let target: unknown = schema;
    while (isReference(target)) {
      if (seen.has(target['$ref'])) throw new SchemaError(at, 'leads back to itself');
      seen.add(target['$ref']);
      target = this.#target(target['$ref'], at);
    }
    return { $ref: schema['$ref'] };
  }

  #target(reference: unknown, at: Path): unknown {
    if (reference === '#') return this.#root;
    const match = /^#\/(\$defs|definitions)\/([\w.-]+)$/.exec(String(reference));
    const [, group = '', name = ''] = match ?? [];
    const found = match === null ? undefined : objectAt(this.#root[group] ?? {}, [group])[name];
    if (found !== undefined) return found;
    throw new SchemaError(
      at,
      `must be "#" or name an entry of $defs or definitions; got ${shown(reference)}`,
    );
  }

  #oneOfSome(schema: SchemaObject, key: 'anyOf' | 'oneOf', path: Path): SchemaObject {
    onlyKeywords(schema, [key], path);
    const at = [...path, key];
    const branches = listAt(schema[key], at).map((branch, index) =>
      this.#check(branch, [...at, index]),
    );
    if (key === 'oneOf') this.#keepApart(listAt(schema[key], at), at);
    return { anyOf: branches };
  }

  #keepApart(branches: readonly unknown[], at: Path): void {
    const plain = branches.map((branch) => {
      const schema = objectAt(branch, at);
      return schema['$ref'] === undefined ? schema : objectAt(this.#target(schema['$ref'], at), at);
    });
    const clash = plain.findIndex(
      (one, i) => !plain.slice(i + 1).every((other) => apart(one, other)),
    );
    if (clash < 0) return;
    throw new SchemaError(
      at,
      `cannot be enforced where a value may be of two of its schemas, as of number ${clash}: each needs a type of its own or a required property with other constants; use \`anyOf\``,
    );
  }

  #only(schema: SchemaObject, path: Path): SchemaObject {
    onlyKeywords(schema, ['allOf'], path);
    const [first, ...others] = listAt(schema['allOf'], [...path, 'allOf']);
    if (others.length === 0) return this.#check(first, [...path, 'allOf', 0]);
    throw new SchemaError(
      [...path, 'allOf'],
      'can be enforced with one schema in it, not with more',
    );
  }
}

function isDefinitions(key: string): boolean {
  return DEFINITIONS.some((name) => name === key);
}

function isReference(value: unknown): value is { readonly $ref: unknown } {
  return typeof value === 'object' && value !== null && '$ref' in value;
}

/** @throws SchemaError when a constant does not have the type beside it */
function values(schema: SchemaObject, key: 'enum' | 'const', path: Path): SchemaObject {
  onlyKeywords(schema, [key, 'type'], path);
  const at = [...path, key];
  const listed = key === 'const' ? [schema[key]] : listAt(schema[key], at);
  if (listed.length > MAX_ENUM_VALUES) {
    const count = `${listed.length} values; at most ${MAX_ENUM_VALUES} are allowed`;
    throw new SchemaError(at, `has ${count}`);
  }
  const { type } = schema;
  if (type !== undefined) {
    const types = Array.isArray(type) ? type : [type];
    const wrong = listed.findIndex((value) => !types.some((name) => isOfType(value, name)));
    if (wrong >= 0) {
      throw new SchemaError(at, `has ${shown(listed[wrong])}, which is not of type ${shown(type)}`);
    }
  }
  return { enum: listed };
}

function isOfType(value: unknown, type: unknown): boolean {
  if (value === null) return type === 'null';
  if (Array.isArray(value)) return type === 'array';
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

/** Whether types and constants show that no value matches both schemas. */
export function apart(one: SchemaObject, other: SchemaObject): boolean {
  const [left, right] = [typesOf(one), typesOf(other)];
  if (left !== null && right !== null && left.every((type) => !right.includes(type))) return true;
  return Object.keys(one['properties'] ?? {}).some((name) => {
    const [here, there] = [constantsAt(one, name), constantsAt(other, name)];
    return here !== null && there !== null && here.every((value) => !there.includes(value));
  });
}

/** Types of a schema. An integer is a number too. */
function typesOf({ type }: SchemaObject): readonly unknown[] | null {
  if (type === undefined) return null;
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  return types.map((name) => (name === 'integer' ? 'number' : name));
}

/** Constants of a required property, as JSON. */
function constantsAt({ properties, required, type }: SchemaObject, name: string): string[] | null {
  if (type !== 'object' && type !== undefined) return null;
  if (!Array.isArray(required) || !required.includes(name)) return null;
  const property: unknown = Object(properties)[name];
  const { const: only, enum: listed } = Object(property);
  if (only !== undefined) return [JSON.stringify(only)];
  return Array.isArray(listed) ? listed.map((value) => JSON.stringify(value)) : null;
}
