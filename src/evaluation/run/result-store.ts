import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { EvaluationError } from '../evaluation-error.ts';

const nullableNumber = z.number().nullable();
const nullableText = z.string().nullable();

const resultSchema = z.object({
  run: z.string(),
  id: z.string(),
  answer: z.string(),
  reasoning: nullableText,
  finishReason: nullableText,
  thinking: z
    .object({
      mode: nullableText,
      source: nullableText,
      pThink: nullableNumber,
      endedBy: nullableText,
    })
    .nullable(),
  tokens: z.object({
    prompt: nullableNumber,
    completion: nullableNumber,
    reasoning: nullableNumber,
  }),
  ms: z.object({ first: nullableNumber, total: z.number() }),
  logprobs: z
    .array(
      z.object({
        token: z.string(),
        logprob: nullableNumber,
        top: z.array(z.tuple([z.string(), nullableNumber])),
      }),
    )
    .optional(),
});

/** The line that describes a run's key. */
const headerSchema = z.object({
  run: z.string(),
  mode: z.string(),
  dataset: z.object({ name: z.string(), sha256: z.string() }),
  settings: z.looseObject({}),
});

export type Result = z.output<typeof resultSchema>;
export type RunHeader = z.output<typeof headerSchema>;

const lineSchema = z.union([resultSchema, headerSchema]);

/**
 * Replies in an append-only file, one JSON object a line, so that an interrupted run can resume. One process at a time
 * may use the file.
 */
export class ResultStore {
  readonly #file: number;
  readonly #results = new Map<string, Result>();
  readonly #headers = new Set<string>();

  /**
   * Opens or creates the file, and removes a last line that a crash has truncated.
   * @throws EvaluationError for a file of other content
   */
  constructor(path: string) {
    this.#file = openSync(path, 'a+');
    try {
      this.#load(path);
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  find(run: string, id: string): Result | undefined {
    return this.#results.get(key(run, id));
  }

  begin(header: RunHeader): void {
    if (this.#headers.has(header.run)) return;
    this.#headers.add(header.run);
    this.#append(header);
  }

  add(result: Result): void {
    this.#results.set(key(result.run, result.id), result);
    this.#append(result);
  }

  close(): void {
    closeSync(this.#file);
  }

  #append(line: Result | RunHeader): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  #load(path: string): void {
    const text = readFileSync(path, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) ftruncateSync(this.#file, Buffer.byteLength(whole));
    for (const [index, line] of whole.split('\n').entries()) {
      if (line !== '') this.#read(line, `${path}, line ${index + 1}`);
    }
  }

  #read(line: string, where: string): void {
    const parsed = lineSchema.safeParse(parseJson(line));
    if (!parsed.success) {
      throw new EvaluationError(`${where} is no result of an evaluation; choose another folder.`);
    }
    if ('id' in parsed.data) this.#results.set(key(parsed.data.run, parsed.data.id), parsed.data);
    else this.#headers.add(parsed.data.run);
  }
}

function key(run: string, id: string): string {
  return `${run} ${id}`;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
