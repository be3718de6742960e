import { hasDecisionPoint } from '../../engine/thinking/protocol-tokens.ts';
import type { ThinkingProfiles } from '../../package/profile.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';

/** Levels of effort that think; the level `none` does not. */
export const THINKING_EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
export type ThinkingEffort = (typeof THINKING_EFFORTS)[number];

/** Most thinking tokens by level; null leaves it to the model. */
export type EffortBudgets = Readonly<Record<ThinkingEffort, number | null>>;

/** The operator's settings for thinking. */
export interface ThinkingPolicy {
  /** Mode of requests that ask for none; null takes the protocol's default. */
  readonly mode: ThinkingMode | null;
  /** Rejects requests for any other mode. */
  readonly lock: boolean;
  /** Budget of requests that ask for none; null leaves it to the model. */
  readonly budget: number | null;
  /** Added to every request's own bias. */
  readonly bias: number;
  /** Threshold of requests that ask for none; null sets none. */
  readonly threshold: number | null;
  readonly effortBudgets: EffortBudgets;
}

/** All modes, in the order they are listed in. */
export const THINKING_MODES: readonly ThinkingMode[] = ['auto', 'think', 'fast'];

/** Modes the model's protocol has, in a fixed order. */
export function availableModes(protocol: Pick<Protocol, 'modes'>): ThinkingMode[] {
  return THINKING_MODES.filter((mode) => protocol.modes[mode] !== undefined);
}

/** Names of calibrated thresholds, for messages; `none` where the package has none. */
export function profileNames(profiles: ThinkingProfiles): string {
  return Object.keys(profiles).join(', ') || 'none';
}

/** The mode of a request that asks for none. */
export function defaultMode(
  policy: Pick<ThinkingPolicy, 'mode'>,
  protocol: Pick<Protocol, 'defaultMode'>,
): ThinkingMode {
  return policy.mode ?? protocol.defaultMode;
}

/**
 * Checks an operator's policy against the model.
 * @returns one sentence that names the flag and what the model can do; null where the policy fits
 */
export function policyProblem(
  policy: ThinkingPolicy,
  protocol: Pick<Protocol, 'name' | 'modes' | 'decide'>,
): string | null {
  const { mode, bias, threshold } = policy;
  if (mode !== null && protocol.modes[mode] === undefined) {
    const listed = availableModes(protocol).join(', ');
    return `--thinking ${mode}: the protocol ${protocol.name} has no such mode; it has: ${listed}.`;
  }
  if (hasDecisionPoint(protocol)) return null;
  const flag = bias !== 0 ? '--thinking-bias' : threshold !== null ? '--thinking-threshold' : null;
  return flag && `${flag}: the protocol ${protocol.name} has no decision that can be measured.`;
}
