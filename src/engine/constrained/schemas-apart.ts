import type { SchemaObject } from './schema-walk.ts';

/** Whether no value could be of both schemas, as far as their types and constants tell. */
export function apart(one: SchemaObject, other: SchemaObject): boolean {
  const [left, right] = [typesOf(one), typesOf(other)];
  if (left !== null && right !== null && left.every((type) => !right.includes(type))) return true;
  return Object.keys(one['properties'] ?? {}).some((name) => {
    const [here, there] = [constantsAt(one, name), constantsAt(other, name)];
    return here !== null && there !== null && here.every((value) => !there.includes(value));
  });
}

/** Every integer is a number, too. */
function typesOf({ type }: SchemaObject): readonly unknown[] | null {
  if (type === undefined) return null;
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  return types.map((name) => (name === 'integer' ? 'number' : name));
}

/** The constants of a property that every value has, as JSON. */
function constantsAt({ properties, required, type }: SchemaObject, name: string): string[] | null {
  if (type !== 'object' && type !== undefined) return null;
  if (!Array.isArray(required) || !required.includes(name)) return null;
  const property: unknown = Object(properties)[name];
  const { const: only, enum: listed } = Object(property);
  if (only !== undefined) return [JSON.stringify(only)];
  return Array.isArray(listed) ? listed.map((value) => JSON.stringify(value)) : null;
}
