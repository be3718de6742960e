import type { ThinkingMode } from '../model-package/protocol.ts';
import type { ServedModel } from './served-model.ts';
import { availableModes, defaultMode, type ThinkingPolicy } from './thinking-policy.ts';

/** A name that requests may put in `model`, and the mode it stands for. */
export interface ServedName {
  readonly id: string;
  readonly mode: ThinkingMode;
}

/** Modes a request may ask for: the protocol's, or the one the operator left. */
export function allowedModes(
  { manifest }: Pick<ServedModel, 'manifest'>,
  policy: ThinkingPolicy,
): ThinkingMode[] {
  return policy.lock ? [defaultMode(policy, manifest.thinking)] : availableModes(manifest.thinking);
}

/** The model's own name with its default mode, then `NAME:MODE` for every mode a request may ask for. */
export function servedNames(
  model: Pick<ServedModel, 'id' | 'manifest'>,
  policy: ThinkingPolicy,
): ServedName[] {
  const aliases = allowedModes(model, policy).map((mode) => ({ id: `${model.id}:${mode}`, mode }));
  return [{ id: model.id, mode: defaultMode(policy, model.manifest.thinking) }, ...aliases];
}
