import { InvalidArgumentError } from 'commander';

/** Reads an integer of at least `least`. */
export function integer(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be an integer of at least ${least}.`);
  };
}

/**
 * Reads a number from `least` to `most`.
 * @param most absent for no limit
 */
export function decimal(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= least && value <= most) return value;
    const range = most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
    throw new InvalidArgumentError(`It must be a number, ${range}.`);
  };
}

/** Reads a JSON object. */
export function jsonObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('It is not valid JSON.');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new InvalidArgumentError('It must be a JSON object.');
}

/** Reads a time in ISO 8601. */
export function toDate(text: string): Date {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError('It must be a time in ISO 8601, such as 2026-11-21T08:00:00Z.');
  }
  return date;
}
