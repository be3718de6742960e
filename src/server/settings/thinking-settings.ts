import type { ResolvedConfig } from '../../config/config.ts';
import { DEFAULT_EFFORT_BUDGETS } from '../../config/options/thinking-options.ts';
import { hasDecisionPoint } from '../../engine/thinking/protocol-tokens.ts';
import type { Manifest } from '../../package/manifest.ts';
import type { ThinkingProfiles } from '../../package/profile.ts';
import { holdoutProblem } from '../request/holdout.ts';
import { policyProblem, profileNames, type ThinkingPolicy } from '../request/thinking-policy.ts';

type ThinkingConfig = ResolvedConfig['thinking'];

/** @throws Error when the operator asks for what the model cannot do */
export function checkedPolicy(
  thinking: ThinkingConfig,
  { thinking: protocol, profiles }: Pick<Manifest, 'thinking' | 'profiles'>,
): ThinkingPolicy {
  const policy = thinkingPolicy(thinking, profiles);
  const problem = policyProblem(policy, protocol);
  if (problem !== null) throw new Error(problem);
  if (thinking.loadBias !== null && !hasDecisionPoint(protocol)) {
    throw new Error(
      `--load-bias: the protocol ${protocol.name} has no decision that can be measured.`,
    );
  }
  const holdout = thinking.holdoutShare === null ? null : holdoutProblem(protocol);
  if (holdout !== null) throw new Error(holdout);
  return policy;
}

/**
 * @param profiles the package's calibrated thresholds
 * @throws Error for a profile that the package lacks, or one beside a threshold or bias
 */
export function thinkingPolicy(
  thinking: ThinkingConfig,
  profiles: ThinkingProfiles = {},
): ThinkingPolicy {
  return {
    mode: thinking.mode,
    lock: thinking.lock,
    budget: thinking.budget,
    bias: thinking.bias,
    threshold: threshold(thinking, profiles),
    effortBudgets: { ...DEFAULT_EFFORT_BUDGETS, ...thinking.effortBudgets },
  };
}

/** A profile is a calibrated threshold, so neither a threshold nor a bias goes with it. */
function threshold(
  { profile: name, threshold, bias }: ThinkingConfig,
  profiles: ThinkingProfiles,
): number | null {
  if (name === null) return threshold;
  if (threshold !== null || bias !== 0) {
    const other = bias === 0 ? '--thinking-threshold' : '--thinking-bias';
    throw new Error(
      `--thinking-profile ${name} and ${other} contradict: a profile is a calibrated threshold.`,
    );
  }
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return profile.threshold;
  throw new Error(
    `--thinking-profile ${name}: the package has no such profile; it has: ${profileNames(profiles)}.`,
  );
}
