import type { ThinkingMode } from '../../package/protocol.ts';
import {
  availableModes,
  defaultMode,
  THINKING_MODES,
  type ThinkingPolicy,
} from '../request/thinking-policy.ts';
import { ApiError } from './errors.ts';
import type { ServedModel } from './served-model.ts';

/** A name for the field `model`, and its thinking mode. */
export interface ServedName {
  readonly id: string;
  readonly mode: ThinkingMode;
}

/** Modes that a request may ask for: all of the protocol, or only the one that the operator locked. */
export function allowedModes(
  { manifest }: Pick<ServedModel, 'manifest'>,
  policy: ThinkingPolicy,
): ThinkingMode[] {
  return policy.lock ? [defaultMode(policy, manifest.thinking)] : availableModes(manifest.thinking);
}

/** The model's own name with its default mode, then `NAME:MODE` for every mode that a request may ask for. */
export function servedNames(
  model: Pick<ServedModel, 'id' | 'manifest'>,
  policy: ThinkingPolicy,
): ServedName[] {
  const aliases = allowedModes(model, policy).map((mode) => ({ id: `${model.id}:${mode}`, mode }));
  return [{ id: model.id, mode: defaultMode(policy, model.manifest.thinking) }, ...aliases];
}

/**
 * Reads the mode after the colon of a name.
 * @returns null for the model's own name
 * @throws ApiError for the name of another model
 */
export function modeOfName(name: string, { id }: Pick<ServedModel, 'id'>): ThinkingMode | null {
  if (name === id) return null;
  const mode = THINKING_MODES.find((known) => name === `${id}:${known}`);
  if (mode !== undefined) return mode;
  throw new ApiError(
    'model_not_found',
    `The model ${JSON.stringify(name.slice(0, 100))} is not served here; this server has: ${id}.`,
    { param: 'model' },
  );
}
