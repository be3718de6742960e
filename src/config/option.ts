import { z } from 'zod';

/**
 * One row of the table of options. The place of a row in the table is its key in a config (`http.port`); the name of
 * its environment variable follows from its flag (`--port` and THINKGATE_PORT).
 */
export interface Option<Value, Default extends Value | null> {
  /** As commander reads it: `--port <number>`, `--verify`, or `--no-prefill-graph` for what is on by default. */
  readonly flags: string;
  /** Takes a value of a config as well as the text of a command line, of a variable or of a file. */
  readonly schema: z.ZodType<Value>;
  /** null: the option is not set. */
  readonly default: Default;
  /** What the server does while the option is not set, or how a default is written that is no plain value. */
  readonly defaultHelp?: string;
  /** One sentence, with the unit. */
  readonly help: string;
  /** Heading in `--help`. */
  readonly group: string;
}

/** @returns a function that writes rows under one heading of the help */
export function inGroup(group: string) {
  return <Value, Default extends Value | null>(
    row: Omit<Option<Value, Default>, 'group'>,
  ): Option<Value, Default> => ({ ...row, group });
}

/** A string with at least one character. */
export const text = z.string().min(1);

/** On or off: a boolean, or one of the words that variables and files use for it. */
export const toggle = z.preprocess((value) => TOGGLE_WORDS.get(value) ?? value, z.boolean());

const TOGGLE_WORDS: ReadonlyMap<unknown, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** A number, or its text, within the bounds of `schema`. */
export function decimal(schema: z.ZodNumber = z.number()) {
  return z.preprocess(
    (value) => (typeof value === 'string' && NUMBER.test(value.trim()) ? Number(value) : value),
    schema,
  );
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** An integer, or its text, both bounds included. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER) {
  return decimal(z.number().int().min(min).max(max));
}

/** A number above zero, or its text. */
export function positive(max = Number.MAX_VALUE) {
  return decimal(z.number().positive().max(max));
}

/** A list, or its items in one text, separated by commas. */
export function list<Item>(item: z.ZodType<Item>) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
    z.array(item),
  );
}
