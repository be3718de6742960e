import type { ChatClient } from '../client/chat-client.ts';
import type { Reply } from '../client/reply.ts';
import { type RetryOptions, ServerFailure, withRetries } from '../client/server-failure.ts';
import type { Dataset, Question } from '../dataset/question.ts';
import { EvaluationError } from '../evaluation-error.ts';
import { promptContent } from '../prompts.ts';
import type { Result, ResultStore } from './result-store.ts';
import { type Mode, type RunSettings, requestFields, runKey } from './settings.ts';

export interface RunOptions {
  readonly dataset: Dataset;
  readonly modes: readonly Mode[];
  readonly settings: RunSettings;
  readonly client: Pick<ChatClient, 'complete'>;
  readonly store: ResultStore;
  /** Number of concurrent requests. */
  readonly concurrency: number;
  readonly retries: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
  readonly wait?: RetryOptions['wait'];
}

export interface RunProgress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
}

/** After this many failures in a row, the cause is the server and not the questions. */
const FAILURES_IN_A_ROW = 10;

/** A question without an answer in one mode. */
export interface Failure {
  readonly mode: string;
  readonly id: string;
  readonly message: string;
}

interface Job {
  readonly question: Question;
  readonly mode: Mode;
  readonly run: string;
}

/**
 * Asks every question in every mode, except for results that the store already has. The modes of a question follow
 * each other, so that their latencies see the same load and an interrupted run has complete pairs.
 * @returns the questions that failed; the store does not have them, so the next run asks them again
 * @throws ServerFailure when the server cannot be used at all
 */
export async function runEvaluation(options: RunOptions): Promise<Failure[]> {
  const { dataset, modes, settings, store, concurrency, onProgress } = options;
  const runs = modes.map((mode) => ({ mode, run: runKey(dataset, mode, settings) }));
  for (const { mode, run } of runs) {
    const { name, sha256 } = dataset;
    store.begin({ run, mode: mode.name, dataset: { name, sha256 }, settings: { ...settings } });
  }
  const jobs = dataset.questions.flatMap((question) =>
    runs.map((run): Job => ({ question, ...run })),
  );
  const open = jobs.filter(({ run, question }) => store.find(run, question.id) === undefined);
  const failures: Failure[] = [];
  let done = jobs.length - open.length;
  const report = (): void => onProgress?.({ done, total: jobs.length, failed: failures.length });
  report();
  const queue = open.values();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let inARow = 0;
  const worker = async (): Promise<void> => {
    for (const job of queue) {
      if (signal.aborted) return;
      const failure = await answer(job, { ...options, signal });
      inARow = failure === null ? 0 : inARow + 1;
      if (failure !== null) failures.push(failure);
      if (failure !== null && inARow >= FAILURES_IN_A_ROW) throw gaveUp(failure);
      done += 1;
      report();
    }
  };
  const workers = Array.from({ length: Math.min(concurrency, open.length) }, () =>
    worker().catch((error: unknown) => {
      stop.abort();
      throw error;
    }),
  );
  try {
    await settle(workers);
  } finally {
    // After an abort, every other error is a consequence of it.
    options.signal.throwIfAborted();
  }
  return failures;
}

function gaveUp({ message }: Failure): EvaluationError {
  return new EvaluationError(
    `Gave up after ${FAILURES_IN_A_ROW} failures in a row; what was answered is kept. The last one: ${message}`,
  );
}

/** Waits for all workers, then throws the first error; later errors are its consequences. */
async function settle(workers: readonly Promise<void>[]): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  const noted = workers.map((worker) =>
    worker.catch((error: unknown) => {
      first ??= { error };
    }),
  );
  await Promise.all(noted);
  if (first !== undefined) throw first.error;
}

async function answer(job: Job, options: RunOptions): Promise<Failure | null> {
  const { question, mode, run } = job;
  const { settings, client, store, retries, signal, wait } = options;
  try {
    const content = await promptContent(question, settings.prompt);
    const body = {
      model: settings.model,
      messages: [{ role: 'user', content }],
      ...requestFields(mode, settings),
    };
    const reply = await withRetries(() => client.complete(body, signal), {
      retries,
      signal,
      ...(wait && { wait }),
    });
    store.add(toResult(run, question.id, reply));
    return null;
  } catch (error) {
    if (signal.aborted || !isOfQuestion(error)) throw error;
    return { mode: mode.name, id: question.id, message: error.message };
  }
}

function isOfQuestion(error: unknown): error is Error {
  if (error instanceof ServerFailure) return error.scope !== 'all';
  return error instanceof EvaluationError;
}

function toResult(run: string, id: string, { logprobs, ...reply }: Reply): Result {
  const listed = logprobs.map(({ token, logprob, top_logprobs }) => ({
    token,
    logprob: shortened(logprob),
    top: top_logprobs.map((other): [string, number | null] => [
      other.token,
      shortened(other.logprob),
    ]),
  }));
  return { run, id, ...reply, ...(listed.length > 0 && { logprobs: listed }) };
}

/** Rounds to six digits: twenty log-probabilities per token are most of the file. */
function shortened(logprob: number | null): number | null {
  return logprob === null ? null : Math.round(logprob * 1e6) / 1e6;
}
