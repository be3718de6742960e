import { createHash } from 'node:crypto';
import type { Dataset } from '../dataset/question.ts';
import type { PromptStyle } from '../prompts.ts';
import type { Mode } from './mode.ts';

/** Everything the replies depend on beside dataset and mode; recorded with them. */
export interface RunSettings {
  /** Which weights answered: a digest of a package, or the address of a server. */
  readonly source: string;
  readonly model: string;
  readonly precision: string | null;
  readonly prompt: PromptStyle;
  readonly temperature: number;
  readonly seed: number | null;
  readonly maxTokens: number | null;
  /** Further fields of every request. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Short name of one dataset asked in one mode with some settings; results are kept under it. */
export function runKey(
  dataset: Pick<Dataset, 'sha256'>,
  mode: Mode,
  settings: RunSettings,
): string {
  const { name, threshold } = mode;
  const content = JSON.stringify([dataset.sha256, name, threshold, sorted(settings)]);
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}

/** The same text for the same settings, in whatever order they were given. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

/** The body of the request, without model and messages. */
export function requestFields(mode: Mode, settings: RunSettings): Record<string, unknown> {
  const { temperature, seed, maxTokens, extra } = settings;
  return {
    temperature,
    ...(seed === null ? {} : { seed }),
    ...(maxTokens === null ? {} : { max_tokens: maxTokens }),
    ...mode.fields,
    ...extra,
  };
}
