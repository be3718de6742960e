import { createHash } from 'node:crypto';
import type { ModelEntry } from '../client/chat-client.ts';
import type { Dataset } from '../dataset/question.ts';
import { EvaluationError } from '../evaluation-error.ts';
import type { PromptStyle } from '../prompts.ts';

/** How a question is asked: `plain` sends no thinking fields, the other modes send thinkgate's. */
export interface Mode {
  /** plain, fast, auto, think, or auto@PROFILE. */
  readonly name: string;
  /** Fields that the mode adds to the request. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Threshold of the profile, because the results depend on it; null without a profile. */
  readonly threshold: number | null;
}

const OWN_MODES = ['fast', 'auto', 'think'];

/** The thinking modes of a thinkgate model; `plain` for other servers. */
export function defaultModes(model: ModelEntry): string[] {
  return model.modes === null ? ['plain'] : OWN_MODES.filter((mode) => model.modes?.includes(mode));
}

/** @throws EvaluationError for a mode or profile that the server does not have */
export function resolveModes(names: readonly string[], model: ModelEntry): Mode[] {
  return [...new Set(names)].map((name) => resolveMode(name, model));
}

function resolveMode(name: string, model: ModelEntry): Mode {
  if (name === 'plain') return { name, fields: {}, threshold: null };
  const [, mode = '', profile] = /^(fast|auto|think)(?:@([\w-]+))?$/.exec(name) ?? [];
  if (mode === '' || (profile !== undefined && mode !== 'auto')) {
    throw new EvaluationError(
      `--modes: "${name}" is none of plain, fast, auto, think and auto@PROFILE.`,
    );
  }
  if (model.modes === null) {
    throw new EvaluationError(
      `--modes: ${model.id} is not served by thinkgate and can be asked in mode plain only; got "${name}".`,
    );
  }
  if (!model.modes.includes(mode)) {
    throw new EvaluationError(
      `--modes: ${model.id} cannot do ${mode}; it can do: ${model.modes.join(', ')}.`,
    );
  }
  if (profile === undefined) return { name, fields: { thinking_mode: mode }, threshold: null };
  const threshold = model.profiles[profile];
  if (threshold === undefined) {
    const listed = Object.keys(model.profiles).join(', ') || 'none';
    throw new EvaluationError(`--modes: ${model.id} has no profile ${profile}; it has: ${listed}.`);
  }
  return { name, fields: { thinking_mode: mode, thinking_profile: profile }, threshold };
}

/** Everything that replies depend on besides dataset and mode; recorded with the replies. */
export interface RunSettings {
  /** Identifies the weights: the digest of a package, or the address of a server. */
  readonly source: string;
  readonly model: string;
  readonly precision: string | null;
  readonly prompt: PromptStyle;
  readonly temperature: number;
  readonly seed: number | null;
  readonly maxTokens: number | null;
  /** Extra fields of every request. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Key of the results of one dataset in one mode with given settings: 16 hexadecimal digits of a SHA-256. */
export function runKey(
  dataset: Pick<Dataset, 'sha256'>,
  mode: Mode,
  settings: RunSettings,
): string {
  const { name, threshold } = mode;
  const content = JSON.stringify([dataset.sha256, name, threshold, sorted(settings)]);
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}

/** Sorts keys, so that equal settings give equal keys in any order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

/** The fields of a request besides model and messages. */
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

type Entry = readonly [name: string, value: string];

/** What the figures depend on, for the foot of a report. */
export function settingsList(
  dataset: { readonly name: string; readonly sha256: string },
  settings: RunSettings,
  more: readonly Entry[],
): Entry[] {
  const { source, model, precision, prompt, temperature, seed, maxTokens, extra } = settings;
  return [
    ['dataset', `${dataset.name}, sha256 ${dataset.sha256}`],
    ['model', `${model}${precision === null ? '' : `, ${precision}`}, ${source}`],
    ['prompt', prompt],
    ['temperature', `${temperature}${seed === null ? '' : `, seed ${seed}`}`],
    ['most tokens', maxTokens === null ? "the server's default" : String(maxTokens)],
    ...(Object.keys(extra).length === 0
      ? []
      : [['further fields', JSON.stringify(extra)] as const]),
    ...more,
  ];
}
