import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ChatClient, type ModelEntry } from '../evaluation/client/chat-client.ts';
import type { Dataset } from '../evaluation/dataset/question.ts';
import { EvaluationError } from '../evaluation/evaluation-error.ts';
import { type ModeScores, scoreResults } from '../evaluation/report/scores.ts';
import { ResultStore } from '../evaluation/run/result-store.ts';
import { type Failure, runEvaluation } from '../evaluation/run/runner.ts';
import { defaultModes, type RunSettings, resolveModes } from '../evaluation/run/settings.ts';
import { packageDigest } from '../package/manifest.ts';
import { readPackage } from '../package/read-package.ts';
import type { EvaluationFlags } from './evaluation-options.ts';
import { countProgress, ProgressBar } from './progress-bar.ts';
import { startPrivateServer } from './serve-options.ts';

/** A running server, or a package that is served during the evaluation. */
export interface EvaluationTarget {
  readonly packageDir?: string | undefined;
  readonly url: string;
}

export interface Evaluated {
  readonly settings: RunSettings;
  readonly scores: readonly ModeScores[];
  readonly failures: readonly Failure[];
}

interface SessionOptions {
  readonly dataset: Dataset;
  readonly flags: EvaluationFlags;
  readonly target: EvaluationTarget;
  /** Absent: all modes of the server. */
  readonly modes?: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/** Asks every question that is not in the results file yet, and scores all of them. */
export async function evaluate(options: SessionOptions): Promise<Evaluated> {
  const { flags, target, signal } = options;
  await mkdir(flags.out, { recursive: true });
  const started =
    target.packageDir === undefined ? undefined : await startPrivateServer(target.packageDir);
  const client = new ChatClient({
    url: started?.url ?? target.url,
    apiKey: started === undefined ? flags.apiKey : undefined,
    timeoutMs: flags.timeout * 1000,
  });
  const store = new ResultStore(join(flags.out, 'results.jsonl'));
  try {
    const model = chooseModel(await client.models(signal), flags.model);
    const source = await sourceOf(target, client);
    return await ask({ ...options, client, store, model, source });
  } finally {
    store.close();
    await client.close();
    await started?.close();
  }
}

interface Opened extends SessionOptions {
  readonly client: ChatClient;
  readonly store: ResultStore;
  readonly model: ModelEntry;
  readonly source: string;
}

async function ask({
  dataset,
  flags,
  signal,
  client,
  store,
  ...opened
}: Opened): Promise<Evaluated> {
  const { model, source } = opened;
  const modes = resolveModes(opened.modes ?? defaultModes(model), model);
  const settings: RunSettings = {
    source,
    model: model.id,
    precision: model.precision,
    prompt: flags.prompt,
    temperature: flags.temperature,
    seed: flags.seed ?? null,
    maxTokens: flags.maxTokens ?? null,
    extra: flags.body,
  };
  const bar = new ProgressBar(process.stderr);
  const failures = await runEvaluation({
    dataset,
    modes,
    settings,
    client,
    store,
    concurrency: flags.concurrency,
    retries: flags.retries,
    signal,
    onProgress: ({ done, total, failed }) =>
      bar.update(countProgress(done, total, failed === 0 ? '' : `${failed} failed`)),
  }).finally(() => bar.end());
  const scores = scoreResults({ dataset, modes, settings, store, matcher: flags.match });
  return { settings, scores, failures };
}

function chooseModel(models: readonly ModelEntry[], wanted: string | undefined): ModelEntry {
  const found = wanted === undefined ? models[0] : models.find(({ id }) => id === wanted);
  if (found !== undefined) return found;
  const listed = models.map(({ id }) => id).join(', ') || 'none';
  throw new EvaluationError(`The server has no model "${wanted ?? ''}"; it has: ${listed}.`);
}

/** Identifies results by the package's digest, wherever it is served, or by the server's URL. */
async function sourceOf({ packageDir }: EvaluationTarget, client: ChatClient): Promise<string> {
  if (packageDir === undefined) return client.base;
  const { manifest } = await readPackage(packageDir);
  return `package ${packageDigest(manifest)}`;
}

/** Runs until it is done or interrupted; an interrupted run keeps its results. */
export async function untilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const interrupt = (): void =>
    abort.abort(new EvaluationError('Interrupted; the same command continues from here.'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await run(abort.signal);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Prints the number of failed requests and the first of them. @returns whether there are any */
export function reportFailures(failures: readonly Failure[]): boolean {
  const [first] = failures;
  if (first === undefined) return false;
  process.stderr.write(
    `${failures.length} requests failed and are not in the figures; the same command asks them again. The first: ${first.mode}, question "${first.id}": ${first.message}\n`,
  );
  return true;
}

/** Writes a report as JSON and as HTML, and prints where. */
export async function writeReports(
  folder: string,
  name: string,
  { json, html }: { readonly json: unknown; readonly html: string },
): Promise<void> {
  const path = join(folder, name);
  await writeFile(`${path}.json`, `${JSON.stringify(json, null, 2)}\n`);
  await writeFile(`${path}.html`, html);
  process.stdout.write(`\nwrote ${path}.json and ${path}.html\n`);
}
