import { randomInt } from 'node:crypto';
import type { GenerationRequest } from '../../engine/generation.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';

/** A share of the requests that leave the choice to the model is made to think, so that auto can be held against it. */
export interface HoldoutOptions {
  readonly share: number;
  /** Uniform in [0, 1); has nothing to do with what tokens are drawn with. */
  readonly random: () => number;
}

/** What a request of the experiment got; a request that could not have got either is not part of it. */
export type HoldoutArm = 'auto' | 'think';

const RESOLUTION = 2 ** 32;

export function secureRandom(): number {
  return randomInt(RESOLUTION) / RESOLUTION;
}

/**
 * Draws the arm of one request. Only what was settled before the draw decides whether it takes part: the choice is the
 * model's, and there is room to think.
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

/** @returns one sentence naming the flag and what the model lacks; null when all is well */
export function holdoutProblem(protocol: Pick<Protocol, 'name' | 'modes'>): string | null {
  const { auto, think } = protocol.modes;
  if (auto !== undefined && think !== undefined) return null;
  const missing = auto === undefined ? 'auto' : 'think';
  return `--holdout-share: the protocol ${protocol.name} has no ${missing} mode, so there is nothing to compare.`;
}
