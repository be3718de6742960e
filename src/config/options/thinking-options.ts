import { z } from 'zod';
import { decimal, inGroup, integer, text, toggle } from '../option.ts';

const thinking = inGroup('Thinking');

const LEVELS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;

export const DEFAULT_EFFORT_BUDGETS: Readonly<Record<(typeof LEVELS)[number], number | null>> = {
  minimal: 128,
  low: 512,
  medium: 2048,
  high: 8192,
  xhigh: 16_384,
  max: null,
};

/** Thinking tokens by reasoning effort; null sets no limit. Levels that are absent keep their default. */
const effortBudgets = z.preprocess(
  parseBudgets,
  z.partialRecord(z.enum(LEVELS), z.number().int().min(1).nullable(), {
    error: `must be level=tokens pairs like low=512,max=none with levels of ${LEVELS.join(', ')}`,
  }),
);

/** `low=512,max=none` as an object; what is written otherwise stays as it is, for the schema to reject. */
function parseBudgets(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const pairs = value.split(',').map((pair) => /^(\w+)=([1-9]\d{0,6}|none)$/.exec(pair.trim()));
  if (!pairs.every((pair) => LEVELS.some((level) => level === pair?.[1]))) return value;
  return Object.fromEntries(
    pairs.map((pair) => [pair?.[1], pair?.[2] === 'none' ? null : Number(pair?.[2])]),
  );
}

/** How the model thinks where a request does not say. */
export const THINKING_OPTIONS = {
  mode: thinking({
    flags: '--thinking <mode>',
    schema: z.enum(['auto', 'think', 'fast']),
    default: null,
    defaultHelp: "the model's",
    help: 'Thinking mode of requests that set none: auto (the model decides), think or fast.',
  }),
  lock: thinking({
    flags: '--thinking-lock',
    schema: toggle,
    default: false,
    help: 'Reject requests for another mode than --thinking.',
  }),
  budget: thinking({
    flags: '--thinking-budget <tokens>',
    schema: integer(1),
    default: null,
    defaultHelp: 'max_tokens alone',
    help: 'Most thinking tokens of requests that set no budget.',
  }),
  answerFloor: thinking({
    flags: '--answer-floor <tokens>',
    schema: integer(0),
    default: 64,
    help: 'Tokens of max_tokens reserved for the answer, at most a quarter of max_tokens.',
  }),
  effortBudgets: thinking({
    flags: '--effort-budgets <list>',
    schema: effortBudgets,
    default: DEFAULT_EFFORT_BUDGETS,
    defaultHelp: Object.entries(DEFAULT_EFFORT_BUDGETS)
      .map(([level, tokens]) => `${level}=${tokens ?? 'none'}`)
      .join(','),
    help: 'Most thinking tokens by reasoning_effort; levels that are left out keep their default.',
  }),
  bias: thinking({
    flags: '--thinking-bias <logits>',
    schema: decimal(z.number().min(-20).max(20)),
    default: 0,
    help: 'Bias on the logit of thinking at the decision, -20 to 20.',
  }),
  threshold: thinking({
    flags: '--thinking-threshold <probability>',
    schema: decimal(z.number().min(0).max(1)),
    default: null,
    defaultHelp: 'none',
    help: 'Think where p(think) is at least this, 0 to 1.',
  }),
  profile: thinking({
    flags: '--thinking-profile <name>',
    schema: text,
    default: null,
    defaultHelp: 'none',
    help: "Threshold from the package's profile of this name: economy, balanced or thorough.",
  }),
  loadBias: thinking({
    flags: '--load-bias <logits>',
    schema: decimal(z.number().gt(0).max(20)),
    default: null,
    defaultHelp: 'off',
    help: 'Largest reduction of the logit of thinking under full load, up to 20.',
  }),
  holdoutShare: thinking({
    flags: '--holdout-share <share>',
    schema: decimal(z.number().gt(0).max(0.5)),
    default: null,
    defaultHelp: 'off',
    help: 'Share of auto requests made to think, up to 0.5, to measure what auto saves.',
  }),
} as const;
