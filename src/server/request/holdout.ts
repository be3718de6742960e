import { randomInt } from 'node:crypto';
import type { GenerationRequest } from '../../engine/generation.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';

/** Makes a share of the requests in auto mode think, so that auto can be compared with thinking. */
export interface HoldoutOptions {
  readonly share: number;
  /** Uniform in [0, 1); independent of the sampling of tokens. */
  readonly random: () => number;
}

/** The arm of a request in the experiment; a request that could not get either arm takes no part. */
export type HoldoutArm = 'auto' | 'think';

const RESOLUTION = 2 ** 32;

export function secureRandom(): number {
  return randomInt(RESOLUTION) / RESOLUTION;
}

/**
 * Draws the arm of one request. A request takes part where the choice is the model's and there is room to think; both are
 * known before the draw.
 * @returns null where it does not take part
 */
export function drawArm(
  plan: {
    readonly mode: ThinkingMode;
    readonly source: GenerationRequest['thinking']['source'];
  },
  holdout: HoldoutOptions | null,
): HoldoutArm | null {
  if (holdout === null || plan.mode !== 'auto') return null;
  if (plan.source !== 'request' && plan.source !== 'policy') return null;
  return holdout.random() < holdout.share ? 'think' : 'auto';
}

/** @returns one sentence that names the flag and what the model lacks; null where nothing is missing */
export function holdoutProblem(protocol: Pick<Protocol, 'name' | 'modes'>): string | null {
  const { auto, think } = protocol.modes;
  if (auto !== undefined && think !== undefined) return null;
  const missing = auto === undefined ? 'auto' : 'think';
  return `--holdout-share: the protocol ${protocol.name} has no ${missing} mode, so there is nothing to compare.`;
}
