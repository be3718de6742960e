import { mkdir } from 'node:fs/promises';
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

/** Who is asked: a server that runs, or a package that is served for the while. */
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
  /** Undefined takes what the server can do. */
  readonly modes?: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/** Asks every question that the results file does not have yet, and scores all of them. */
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

/** Results of a package stay its own wherever it is served; those of a server belong to its address. */
async function sourceOf({ packageDir }: EvaluationTarget, client: ChatClient): Promise<string> {
  if (packageDir === undefined) return client.base;
  const { manifest } = await readPackage(packageDir);
  return `package ${packageDigest(manifest)}`;
}

/** Runs until done or interrupted; what was answered by then is kept. */
export async function untilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const interrupt = (): void =>
    abort.abort(
      new EvaluationError('Interrupted; the same command goes on where this one stopped.'),
    );
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await run(abort.signal);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Says which questions failed. @returns whether any did */
export function reportFailures(failures: readonly Failure[]): boolean {
  const [first] = failures;
  if (first === undefined) return false;
  process.stderr.write(
    `${failures.length} requests failed and are not in the figures; the same command asks them again. The first: ${first.mode}, question "${first.id}": ${first.message}\n`,
  );
  return true;
}
