export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const PREFIX = '#/components/schemas/';

/**
 * Removes unreferenced schemas. Every schema comes twice, as `X` for replies and `XInput` for requests; when only the
 * second is referenced, it takes the plain name.
 * @param document an OpenAPI document
 */
export function tidyComponents(document: Json): Json {
  const { components, ...rest } = asObject(document);
  const { schemas: named, ...others } = asObject(components);
  const schemas = asObject(named);
  const used = usedNames(rest, schemas);
  const renamed = (name: string): string => {
    const plain = name.replace(/Input$/, '');
    return used.has(plain) ? name : plain;
  };
  const kept = Object.entries(schemas)
    .filter(([name]) => used.has(name))
    .map(([name, schema]): [string, Json] => [renamed(name), schema]);
  const tidy = { ...rest, components: { ...others, schemas: Object.fromEntries(kept) } };
  return mapReferences(tidy, renamed);
}

/** The same document with sorted keys. */
export function sortKeys(value: Json): Json {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, child]) => [key, sortKeys(child)]));
}

function usedNames(start: Json, schemas: Record<string, Json>): Set<string> {
  const used = new Set<string>();
  const pending: Json[] = [start];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const name of referencedNames(next)) {
      if (used.has(name)) continue;
      used.add(name);
      pending.push(schemas[name] ?? null);
    }
  }
  return used;
}

function referencedNames(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(referencedNames);
  if (typeof value !== 'object' || value === null) return [];
  const target = value['$ref'];
  const own = typeof target === 'string' ? [target.slice(PREFIX.length)] : [];
  return [...own, ...Object.values(value).flatMap(referencedNames)];
}

function mapReferences(value: Json, rename: (name: string) => string): Json {
  if (Array.isArray(value)) return value.map((child) => mapReferences(child, rename));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, child]): [string, Json] =>
    key === '$ref' && typeof child === 'string'
      ? [key, `${PREFIX}${rename(child.slice(PREFIX.length))}`]
      : [key, mapReferences(child, rename)],
  );
  return Object.fromEntries(entries);
}

function asObject(value: Json | undefined): Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}
