/** Reads a checkpoint's JSON files against a schema. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { ConvertError } from '../convert-error.ts';

/** @throws ConvertError when the file is missing, is not JSON, or does not fit the schema */
export async function readJson<T extends z.ZodType>(
  dir: string,
  file: string,
  schema: T,
): Promise<z.output<T>> {
  const parsed = await readOptionalJson(dir, file, schema);
  if (parsed === undefined) throw new ConvertError(`${join(dir, file)} does not exist.`);
  return parsed;
}

/** Same as readJson, but returns undefined for a missing file. */
export async function readOptionalJson<T extends z.ZodType>(
  dir: string,
  file: string,
  schema: T,
): Promise<z.output<T> | undefined> {
  const text = await readOptionalText(dir, file);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ConvertError(`${join(dir, file)} is not valid JSON.`);
  }
  return checked(schema, value, file);
}

/** The file's text, or undefined when it does not exist. */
export async function readOptionalText(dir: string, file: string): Promise<string | undefined> {
  try {
    return await readFile(join(dir, file), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @throws ConvertError that lists every field with a wrong value */
export function checked<T extends z.ZodType>(
  schema: T,
  value: unknown,
  label: string,
): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => {
    const field = issue.path.join('.');
    return `${field === '' ? 'the whole' : field}: ${issue.message}`;
  });
  throw new ConvertError(`${label} cannot be used: ${faults.join('; ')}.`);
}
