/** A JSON schema that cannot be enforced in full. `path` leads from the root of the schema to the place. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  readonly path: readonly (string | number)[];

  constructor(path: readonly (string | number)[], message: string) {
    super(message);
    this.path = path;
  }
}

export type Path = readonly (string | number)[];
export type SchemaObject = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 24;
const MAX_NODES = 2_000;

/** Limits on the size and depth of a schema. */
export class SchemaLimits {
  #nodes = 0;

  node(path: Path): void {
    this.#nodes++;
    if (this.#nodes > MAX_NODES)
      throw new SchemaError(path, `is more than the ${MAX_NODES} schemas that one may hold`);
    const depth = path.filter((key) => typeof key === 'string').length;
    if (depth > 2 * MAX_DEPTH)
      throw new SchemaError(path, `is nested deeper than the ${MAX_DEPTH} levels allowed`);
  }
}

/** Rejects every keyword of a schema that is not enforced where it stands. */
export function onlyKeywords(schema: SchemaObject, allowed: readonly string[], path: Path): void {
  for (const key of Object.keys(schema)) {
    if (allowed.includes(key)) continue;
    const beside = Object.keys(schema).filter((other) => allowed.includes(other));
    const where = beside.length === 0 ? '' : ` beside \`${beside[0]}\``;
    throw new SchemaError([...path, key], `cannot be enforced${where}`);
  }
}

export function objectAt(value: unknown, path: Path): SchemaObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  throw new SchemaError(path, `must be an object; got ${shown(value)}`);
}

export function listAt(value: unknown, path: Path): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw new SchemaError(path, `must be a list with something in it; got ${shown(value)}`);
}

/** Value of a keyword that is an integer from 0 on; undefined where the keyword is absent. */
export function countAt(schema: SchemaObject, key: string, path: Path): number | undefined {
  const value = schema[key];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new SchemaError([...path, key], `must be a whole number from 0 on; got ${shown(value)}`);
}

export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 60);
}
