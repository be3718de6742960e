import { z } from 'zod';
import {
  DEFAULT_EFFORT_BUDGETS,
  type EffortBudgets,
  type ThinkingPolicy,
} from '../http/thinking-policy.ts';
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
  effortBudgets: effortBudgets.optional(),
  loadBias: z.coerce.number().gt(0).max(20).optional(),
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
    flags: '--effort-budgets <list>',
    env: 'THINKGATE_EFFORT_BUDGETS',
    description: 'thinking tokens by reasoning_effort, like low=512,max=none',
  },
  {
    flags: '--load-bias <logits>',
    env: 'THINKGATE_LOAD_BIAS',
    description: 'most that a full queue or cache takes off the logit of thinking (default: off)',
  },
];

type ThinkingFlags = z.output<z.ZodObject<typeof thinkingFlagsShape>>;

export function toThinkingPolicy(flags: ThinkingFlags): ThinkingPolicy {
  return {
    mode: flags.thinking ?? null,
    lock: flags.thinkingLock,
    budget: flags.thinkingBudget ?? null,
    bias: flags.thinkingBias,
    threshold: flags.thinkingThreshold ?? null,
    effortBudgets: flags.effortBudgets ?? DEFAULT_EFFORT_BUDGETS,
  };
}
