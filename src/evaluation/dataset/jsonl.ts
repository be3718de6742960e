import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { EvaluationError } from '../evaluation-error.ts';
import { parseImage } from './images.ts';
import { letterAt, MATCHERS, type Option, type Question } from './question.ts';

const scalar = z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]);
const image = z.string().min(1);

const rowSchema = z.looseObject({
  id: scalar.optional(),
  index: scalar.optional(),
  question: z.string().min(1),
  answer: z.union([scalar, z.array(scalar).min(1)]),
  /** More answers that count as right. */
  accept: z.array(scalar).optional(),
  options: z
    .union([z.array(scalar).max(26), z.record(z.string().regex(/^[A-Z]$/), scalar)])
    .nullish(),
  image: z.union([image, z.array(image)]).nullish(),
  images: z.array(image).nullish(),
  hint: z.string().nullish(),
  match: z.enum(MATCHERS).nullish(),
});

type Row = z.output<typeof rowSchema>;

export interface RowContext {
  /** Base folder of relative image paths. */
  readonly folder: string;
  /** Field that holds a question's category. */
  readonly categoryField: string;
}

/** Reads questions from JSON lines. @throws EvaluationError that names the line and the field */
export async function readJsonl(stream: Readable, context: RowContext): Promise<Question[]> {
  const questions: Question[] = [];
  let number = 0;
  for await (const line of createInterface({
    input: stream,
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    number += 1;
    if (line.trim() === '') continue;
    questions.push(parseRow(line, number, context));
  }
  return questions;
}

function parseRow(line: string, number: number, context: RowContext): Question {
  const where = `line ${number}`;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new EvaluationError(`${where} is not valid JSON.`);
  }
  const parsed = rowSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.') || 'the whole';
    throw new EvaluationError(`${where}, ${field}: ${issue?.message ?? 'invalid'}.`);
  }
  const row = parsed.data;
  const category: unknown = row[context.categoryField];
  return {
    id: row.id ?? row.index ?? String(number),
    text: row.question,
    hint: row.hint ?? null,
    options: optionsOf(row.options ?? []),
    images: imagesOf(row).map((text) => parseImage(text, context.folder, where)),
    answers: [...new Set([row.answer, row.accept ?? []].flat())],
    category: category === undefined || category === null ? null : String(category),
    match: row.match ?? null,
  };
}

function optionsOf(options: readonly string[] | Readonly<Record<string, string>>): Option[] {
  if (isList(options)) return options.map((text, index) => ({ letter: letterAt(index), text }));
  return Object.entries(options).map(([letter, text]) => ({ letter, text }));
}

function isList(value: object): value is readonly string[] {
  return Array.isArray(value);
}

function imagesOf({ image: one, images }: Row): string[] {
  return [...(images ?? []), ...[one ?? []].flat()];
}
