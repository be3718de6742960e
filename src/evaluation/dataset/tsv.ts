/**
 * Questions as tab-separated values with a header, as VLMEvalKit keeps its benchmarks: index, question, answer, options
 * in columns A, B, C, … or as a list in choices, image as base64 (or the index of an earlier row with the same image) or image_path, each
 * possibly a list written in Python, category, hint.
 */
import type { Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { EvaluationError } from '../evaluation-error.ts';
import { parseImage, parseList } from './images.ts';
import type { RowContext } from './jsonl.ts';
import { letterAt, type Option, type Question } from './question.ts';

const LETTERS = Array.from({ length: 26 }, (_, index) => letterAt(index));
/** An image field of at most this length is the index of the row that has the image. */
const LONGEST_REFERENCE = 64;
const REQUIRED = ['question', 'answer'];

type Row = Readonly<Record<string, string>>;

/** @throws EvaluationError that names the row and the column */
export async function readTsv(stream: Readable, context: RowContext): Promise<Question[]> {
  const parser = stream.pipe(
    parse({
      delimiter: '\t',
      columns: true,
      bom: true,
      relax_quotes: true,
      skip_empty_lines: true,
    }),
  );
  stream.once('error', (error) => parser.destroy(error));
  const rows: ParsedRow[] = [];
  try {
    for await (const row of parser as AsyncIterable<Row>) {
      if (rows.length === 0) checkColumns(row);
      rows.push(parseRow(row, rows.length + 1, context));
    }
  } catch (error) {
    if (error instanceof EvaluationError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new EvaluationError(`The table cannot be read after row ${rows.length}: ${why}`);
  }
  return withSharedImages(rows);
}

interface ParsedRow {
  readonly question: Question;
  /** Index of the row that has this row's image; null when the row has its own. */
  readonly imageOf: string | null;
}

/** Resolves images that rows share: one row holds the image, the others name that row. */
function withSharedImages(rows: readonly ParsedRow[]): Question[] {
  const byId = new Map(rows.map(({ question }) => [question.id, question]));
  return rows.map(({ question, imageOf }) => {
    if (imageOf === null) return question;
    const images = byId.get(imageOf)?.images ?? [];
    if (images.length > 0) return { ...question, images };
    throw new EvaluationError(
      `Row ${question.id}: the image field names row ${imageOf}, which has no image.`,
    );
  });
}

function checkColumns(row: Row): void {
  const missing = REQUIRED.find((column) => row[column] === undefined);
  if (missing === undefined) return;
  throw new EvaluationError(
    `The table has no column "${missing}"; it has: ${Object.keys(row).join(', ')}.`,
  );
}

function parseRow(row: Row, number: number, context: RowContext): ParsedRow {
  const id = present(row['index']) ?? present(row['id']) ?? String(number);
  const text = present(row['question']);
  const answer = present(row['answer']);
  if (text === null || answer === null) {
    const column = text === null ? 'question' : 'answer';
    throw new EvaluationError(`Row ${id}: the column "${column}" is empty.`);
  }
  const options = optionsOf(row);
  const image = present(row['image']);
  const isReference = image !== null && image.length <= LONGEST_REFERENCE && !image.startsWith('[');
  const images = isReference ? null : (image ?? present(row['image_path']));
  return {
    imageOf: isReference ? image : null,
    question: {
      id,
      text,
      hint: present(row['hint']),
      options,
      images:
        images === null
          ? []
          : parseList(images).map((one) => parseImage(one, context.folder, `Row ${id}`)),
      answers: options.length > 0 ? [answer] : parseList(answer),
      category: present(row[context.categoryField]),
      match: null,
    },
  };
}

/** Options from the lettered columns, else from a list in `choices`. */
function optionsOf(row: Row): Option[] {
  const lettered = LETTERS.flatMap((letter): Option[] => {
    const text = present(row[letter]);
    return text === null ? [] : [{ letter, text }];
  });
  const choices = present(row['choices']);
  if (lettered.length > 0 || choices === null) return lettered;
  return parseList(choices).map((text, index) => ({ letter: letterAt(index), text }));
}

/** pandas writes a missing value as an empty field or as nan. */
function present(value: string | undefined): string | null {
  if (value === undefined) return null;
  const text = value.trim();
  return text === '' || text.toLowerCase() === 'nan' ? null : text;
}
