import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { EvaluationError } from '../evaluation-error.ts';
import { readJsonl } from './jsonl.ts';
import type { Dataset, Question } from './question.ts';
import { readTsv } from './tsv.ts';

export interface DatasetOptions {
  /** Field or column that holds a question's category. */
  readonly categoryField: string;
  /** Number of questions to keep, from the first on; default all. */
  readonly limit?: number | undefined;
}

/**
 * Reads questions from a .jsonl or .tsv file and checks them before the run: labels, unique ids, image files.
 * @throws EvaluationError that names the file and the row
 */
export async function readDataset(path: string, options: DatasetOptions): Promise<Dataset> {
  const read = path.endsWith('.tsv') ? readTsv : path.endsWith('.jsonl') ? readJsonl : undefined;
  if (read === undefined)
    throw new EvaluationError(`${path}: a dataset is a .jsonl or a .tsv file.`);
  await access(path).catch(() => {
    throw new EvaluationError(`${path} cannot be read.`);
  });
  const hash = createHash('sha256');
  const stream = createReadStream(path);
  stream.on('data', (chunk) => hash.update(chunk));
  const { categoryField, limit } = options;
  try {
    const all = await read(stream, { folder: dirname(path), categoryField });
    if (all.length === 0) throw new EvaluationError('It has no questions.');
    checkIds(all);
    const questions = all.slice(0, limit);
    for (const question of questions) checkLabel(question);
    await checkFiles(questions);
    return { name: basename(path), sha256: hash.digest('hex'), questions };
  } catch (error) {
    if (error instanceof EvaluationError) throw new EvaluationError(`${path}: ${error.message}`);
    throw error;
  } finally {
    stream.destroy();
  }
}

function checkIds(questions: readonly Question[]): void {
  const seen = new Set<string>();
  for (const { id } of questions) {
    if (seen.has(id)) throw new EvaluationError(`Two questions have the id "${id}".`);
    seen.add(id);
  }
}

/** The label of a multiple-choice question must be one of its letters, or the text of one option. */
function checkLabel({ id, options, answers }: Question): void {
  if (options.length === 0) return;
  const known = options.some(
    ({ letter, text }) => answers.includes(letter) || answers.includes(text),
  );
  if (known) return;
  const letters = options.map(({ letter }) => letter).join(', ');
  throw new EvaluationError(
    `The answer of question "${id}" is "${answers.join('", "')}", which is none of its options ${letters}.`,
  );
}

async function checkFiles(questions: readonly Question[]): Promise<void> {
  const paths = new Set(
    questions.flatMap(({ images }) =>
      images.flatMap((image) => (image.kind === 'file' ? [image.path] : [])),
    ),
  );
  for (const path of paths) {
    await access(path).catch(() => {
      throw new EvaluationError(`The image ${path} cannot be read.`);
    });
  }
}
