export interface WholeCall {
  readonly name: string;
  /** JSON of an object. */
  readonly argumentsText: string;
}

/**
 * Reads a complete call: fields in any order, arguments as an object, as JSON in a string, or absent.
 * @returns null when the text is not a call
 */
export function readWholeCall(text: string): WholeCall | null {
  const call = objectOf(text);
  if (call === null) return null;
  const name: unknown = call['name'];
  if (typeof name !== 'string') return null;
  const given: unknown = call['arguments'] ?? call['parameters'] ?? {};
  if (typeof given === 'string') {
    return objectOf(given) === null ? null : { name, argumentsText: given };
  }
  return isObject(given) ? { name, argumentsText: JSON.stringify(given) } : null;
}

/** @returns null when the text is not the JSON of an object */
export function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
