import { z } from 'zod';
import type { ThinkingProfiles } from '../package/profile.ts';
import {
  DEFAULT_EFFORT_BUDGETS,
  type EffortBudgets,
  type ThinkingPolicy,
} from '../server/request/thinking-policy.ts';
import { profileNames } from '../server/request/thinking-profile.ts';
import type { OptionRow } from './option-row.ts';

const LEVELS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;

const effortBudgets = z.string().transform((text, context): EffortBudgets => {
  const changes = text.split(',').map((pair) => {
    const [, level, tokens] = /^(\w+)=(\d{1,7}|none)$/.exec(pair.trim()) ?? [];
    const known = LEVELS.find((name) => name === level);
    if (known === undefined || tokens === undefined || tokens === '0') {
      const message = `must be level=tokens pairs like low=512,max=none with levels of ${LEVELS.join(', ')}`;
      context.addIssue({ code: 'custom', message });
      return [];
    }
    return [known, tokens === 'none' ? null : Number(tokens)];
  });
  return { ...DEFAULT_EFFORT_BUDGETS, ...Object.fromEntries(changes) };
});

/** The operator's part in the thinking, as `thinkgate serve` takes it. */
export const thinkingFlagsShape = {
  thinking: z.enum(['auto', 'think', 'fast']).optional(),
  thinkingLock: z.boolean(),
  thinkingBudget: z.coerce.number().int().min(1).optional(),
  answerFloor: z.coerce.number().int().min(0).optional(),
  thinkingBias: z.coerce.number().min(-20).max(20),
  thinkingThreshold: z.coerce.number().min(0).max(1).optional(),
  thinkingProfile: z.string().optional(),
  effortBudgets: effortBudgets.optional(),
  loadBias: z.coerce.number().gt(0).max(20).optional(),
  holdoutShare: z.coerce.number().gt(0).max(0.5).optional(),
} as const;

export const THINKING_FLAG_ROWS: readonly OptionRow[] = [
  {
    flags: '--thinking <mode>',
    env: 'THINKGATE_THINKING',
    description: "mode of requests that ask for none: auto, think or fast (default: the model's)",
  },
  {
    flags: '--thinking-lock',
    description: 'answer in that mode only; requests for another are refused',
    default: false,
  },
  {
    flags: '--thinking-budget <tokens>',
    env: 'THINKGATE_THINKING_BUDGET',
    description:
      'thinking tokens of requests that set no budget (default: no limit but max_tokens)',
  },
  {
    flags: '--answer-floor <tokens>',
    env: 'THINKGATE_ANSWER_FLOOR',
    description: 'tokens of max_tokens kept for the answer, at most a quarter of it (default: 64)',
  },
  {
    flags: '--thinking-bias <logits>',
    env: 'THINKGATE_THINKING_BIAS',
    description: 'added to the logit of thinking where the model decides, -20 to 20',
    default: '0',
  },
  {
    flags: '--thinking-threshold <probability>',
    env: 'THINKGATE_THINKING_THRESHOLD',
    description: 'probability from which on the model thinks',
  },
  {
    flags: '--thinking-profile <name>',
    env: 'THINKGATE_THINKING_PROFILE',
    description: "the package's calibrated threshold of that name: economy, balanced, thorough",
  },
  {
    flags: '--effort-budgets <list>',
    env: 'THINKGATE_EFFORT_BUDGETS',
    description: 'thinking tokens by reasoning_effort, like low=512,max=none',
  },
  {
    flags: '--load-bias <logits>',
    env: 'THINKGATE_LOAD_BIAS',
    description: 'most that a full queue or cache takes off the logit of thinking (default: off)',
  },
  {
    flags: '--holdout-share <share>',
    env: 'THINKGATE_HOLDOUT_SHARE',
    description:
      'share of auto requests made to think, to measure what auto saves, like 0.05 (default: off)',
  },
];

type ThinkingFlags = z.output<z.ZodObject<typeof thinkingFlagsShape>>;

/**
 * @param profiles the package's calibrated thresholds
 * @throws Error for a profile that the package lacks, or one beside a threshold or bias
 */
export function toThinkingPolicy(
  flags: ThinkingFlags,
  profiles: ThinkingProfiles = {},
): ThinkingPolicy {
  return {
    mode: flags.thinking ?? null,
    lock: flags.thinkingLock,
    budget: flags.thinkingBudget ?? null,
    bias: flags.thinkingBias,
    threshold: resolveThreshold(flags, profiles),
    effortBudgets: flags.effortBudgets ?? DEFAULT_EFFORT_BUDGETS,
  };
}

/** At most one of threshold and profile; a profile does not go with a bias either. */
function resolveThreshold(flags: ThinkingFlags, profiles: ThinkingProfiles): number | null {
  const name = flags.thinkingProfile;
  if (name === undefined) return flags.thinkingThreshold ?? null;
  if (flags.thinkingThreshold !== undefined || flags.thinkingBias !== 0) {
    const other = flags.thinkingBias === 0 ? '--thinking-threshold' : '--thinking-bias';
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
