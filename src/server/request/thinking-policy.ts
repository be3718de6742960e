import { hasDecisionPoint } from '../../engine/thinking/protocol-tokens.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';
import type { EffortLevel } from '../api/openai-chat/thinking-fields.ts';

/** Levels that think; `none` does not. */
export type ThinkingEffort = Exclude<EffortLevel, 'none'>;

/** Most thinking tokens by level; null leaves it to the model. */
export type EffortBudgets = Readonly<Record<ThinkingEffort, number | null>>;

/** What an operator decides about thinking. */
export interface ThinkingPolicy {
  /** Mode of requests that ask for none; null takes the protocol's default. */
  readonly mode: ThinkingMode | null;
  /** Refuses requests for any other mode. */
  readonly lock: boolean;
  /** Budget of requests that ask for none; null leaves it to the model. */
  readonly budget: number | null;
  /** Added to every request's own bias. */
  readonly bias: number;
  /** Threshold of requests that ask for none; null sets none. */
  readonly threshold: number | null;
  readonly effortBudgets: EffortBudgets;
}

/**
 * Fewer thinking tokens than this are not worth an opened block: where nobody asked to think, the answer comes
 * directly instead.
 */
export const MIN_THINKING_TOKENS = 8;

/** All modes, in the order they are listed in. */
export const THINKING_MODES: readonly ThinkingMode[] = ['auto', 'think', 'fast'];

/** Modes the model's protocol has, in a fixed order. */
export function availableModes(protocol: Pick<Protocol, 'modes'>): ThinkingMode[] {
  return THINKING_MODES.filter((mode) => protocol.modes[mode] !== undefined);
}

/** The mode of a request that asks for none. */
export function defaultMode(
  policy: Pick<ThinkingPolicy, 'mode'>,
  protocol: Pick<Protocol, 'defaultMode'>,
): ThinkingMode {
  return policy.mode ?? protocol.defaultMode;
}

/**
 * Whether the operator's wishes fit the model.
 * @returns one sentence naming the flag and what the model can do; null when all is well
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
