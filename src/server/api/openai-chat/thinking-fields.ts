import { z } from 'zod';
import { conflict } from '../../http/errors.ts';
import type { ReasoningDisplay } from '../../reply/text-display.ts';
import {
  budgetControl,
  type ControlValue,
  effortControl,
  modeControl,
  namedControls,
  switchControl,
  type ThinkingFields,
  typeControl,
} from '../../request/thinking-controls.ts';
import { THINKING_EFFORTS } from '../../request/thinking-policy.ts';

/** Words for the three modes; `long` and `short` are R-4B's own. */
export const modeWord = z.enum(['auto', 'think', 'fast', 'long', 'short']);

const effort = z.enum(['none', ...THINKING_EFFORTS]);
const budget = z.int().min(-1);

const BUDGET = 'Most thinking tokens. 0 answers without thinking; -1 leaves it to the model.';
const EFFORT = 'none answers without thinking; every other level thinks, within a budget.';

/** Fields of a request about its thinking. Several may be given as long as they agree. */
export const thinkingFields = {
  thinking_mode: modeWord
    .nullish()
    .describe(
      'auto leaves the choice to the model; long and short are other names of think and fast.',
    ),
  chat_template_kwargs: z
    .strictObject({
      thinking_mode: modeWord.nullish(),
      enable_thinking: z.boolean().nullish().describe('true is think, false is fast.'),
      thinking: z.boolean().nullish().describe('true is think, false is fast.'),
    })
    .nullish(),
  enable_thinking: z.boolean().nullish().describe('true is think, false is fast.'),
  reasoning_effort: effort.nullish().describe(EFFORT),
  reasoning: z
    .strictObject({
      effort: effort.nullish().describe(EFFORT),
      max_tokens: budget.nullish().describe(BUDGET),
      enabled: z.boolean().nullish().describe('true is think, false is fast.'),
      exclude: z.boolean().nullish().describe('Keeps the thinking out of the reply.'),
    })
    .nullish(),
  thinking: z
    .strictObject({
      type: z.enum(['enabled', 'disabled', 'adaptive', 'auto']),
      budget_tokens: budget.nullish().describe(BUDGET),
    })
    .nullish()
    .describe('adaptive and auto leave the choice to the model.'),
  thinking_budget: budget.nullish().describe(BUDGET),
  thinking_token_budget: budget.nullish().describe(BUDGET),
  reasoning_budget_tokens: budget.nullish().describe(BUDGET),
  include_reasoning: z.boolean().nullish().describe('false keeps the thinking out of the reply.'),
  separate_reasoning: z
    .boolean()
    .nullish()
    .describe("false writes the thinking into the content, between the model's own tags."),
  thinking_bias: z
    .number()
    .min(-20)
    .max(20)
    .nullish()
    .describe(
      'Added to the logit of thinking against answering directly, where the model decides.',
    ),
  thinking_threshold: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe(
      'Probability from which on the model thinks; at a temperature above 0, shifts the odds.',
    ),
  thinking_profile: z
    .string()
    .nullish()
    .describe("A calibrated threshold of the model's package, by name: economy, balanced, …"),
  thinking_extensions: z
    .int()
    .min(0)
    .max(8)
    .nullish()
    .describe(
      "Times the end of the thinking is replaced by the protocol's extension text (budget forcing, s1).",
    ),
  break_thinking_loops: z
    .boolean()
    .nullish()
    .describe('Close the thinking when it repeats itself. Default true.'),
  stop_in_thinking: z
    .boolean()
    .nullish()
    .describe('Look for stop strings in the thinking as well. Default false.'),
} as const;

/** Headers of every endpoint that generates. */
export const thinkingHeadersSchema = z.looseObject({
  'x-thinking-mode': modeWord
    .optional()
    .describe('The same as thinking_mode, for clients that cannot add a field.'),
});

type Body = Partial<z.output<z.ZodObject<typeof thinkingFields>>>;

/** Every field that says something about mode, effort or budget, in the order in which errors name them. */
function controlValues(body: Body) {
  const { chat_template_kwargs: template, reasoning, thinking } = body;
  return {
    thinking_mode: modeControl(body.thinking_mode),
    'chat_template_kwargs.thinking_mode': modeControl(template?.thinking_mode),
    'chat_template_kwargs.enable_thinking': switchControl(template?.enable_thinking),
    'chat_template_kwargs.thinking': switchControl(template?.thinking),
    enable_thinking: switchControl(body.enable_thinking),
    reasoning_effort: effortControl(body.reasoning_effort),
    'reasoning.effort': effortControl(reasoning?.effort),
    'reasoning.enabled': switchControl(reasoning?.enabled),
    'reasoning.max_tokens': budgetControl(reasoning?.max_tokens),
    'thinking.type': typeControl(thinking?.type),
    'thinking.budget_tokens': budgetControl(thinking?.budget_tokens),
    thinking_budget: budgetControl(body.thinking_budget),
    thinking_token_budget: budgetControl(body.thinking_token_budget),
    reasoning_budget_tokens: budgetControl(body.reasoning_budget_tokens),
  } satisfies Record<string, ControlValue>;
}

/** Names of the fields that control the thinking. */
export const CONTROL_FIELDS: readonly string[] = Object.keys(controlValues({}));

/** What a chat request says about its thinking. */
export function readThinking(body: Body): ThinkingFields {
  return {
    controls: namedControls(controlValues(body)),
    bias: body.thinking_bias ?? null,
    threshold: body.thinking_threshold ?? null,
    profile: body.thinking_profile ?? null,
    extensions: body.thinking_extensions ?? 0,
    breakLoops: body.break_thinking_loops ?? true,
    stopInThinking: body.stop_in_thinking ?? false,
  };
}

/**
 * Where the reply shows the thinking.
 * @throws ApiError naming two fields that contradict
 */
export function readDisplay({
  include_reasoning: include,
  reasoning,
  separate_reasoning: separate,
}: Body): ReasoningDisplay {
  const exclude = reasoning?.exclude;
  if (typeof include === 'boolean' && include === exclude) {
    const why = include ? 'one wants the thinking, one does not.' : 'one wants it hidden, one not.';
    throw conflict('include_reasoning', 'reasoning.exclude', why);
  }
  const isHidden = include === false || exclude === true;
  if (separate !== false) return isHidden ? 'hidden' : 'separate';
  if (!isHidden) return 'inline';
  const field = include === false ? 'include_reasoning' : 'reasoning.exclude';
  throw conflict('separate_reasoning', field, 'what is left out cannot be part of the content.');
}
