import type { ModelEntry } from '../client/chat-client.ts';
import { EvaluationError } from '../evaluation-error.ts';

/** A way of asking: plain sends no field of thinking, the others send thinkgate's. */
export interface Mode {
  /** plain, fast, auto, think, or auto@PROFILE. */
  readonly name: string;
  /** Fields it adds to the request. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Threshold of the profile; part of what the results depend on. */
  readonly threshold: number | null;
}

const OWN_MODES = ['fast', 'auto', 'think'];

/** Side by side for thinkgate; other servers are asked plainly. */
export function defaultModes(model: ModelEntry): string[] {
  return model.modes === null ? ['plain'] : OWN_MODES.filter((mode) => model.modes?.includes(mode));
}

/** @throws EvaluationError for a mode or profile the server does not have */
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
