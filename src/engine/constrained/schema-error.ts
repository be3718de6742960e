/** A JSON schema that cannot be upheld in full; `path` leads to the place from the schema's root. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  readonly path: readonly (string | number)[];

  constructor(path: readonly (string | number)[], message: string) {
    super(message);
    this.path = path;
  }
}
