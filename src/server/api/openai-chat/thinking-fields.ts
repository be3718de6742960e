import { z } from 'zod';

/** Words for the three modes; `long` and `short` are R-4B's own. */
export const modeWord = z.enum(['auto', 'think', 'fast', 'long', 'short']);

const effort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);
const budget = z.int().min(-1);

const BUDGET = 'Most thinking tokens. 0 answers without thinking; -1 leaves it to the model.';
const EFFORT = 'none answers without thinking; every other level thinks, within a budget.';

/** Fields of a request that steer its thinking. Several may be given as long as they agree. */
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
    .describe("Times the end of the thinking is replaced by the protocol's word to go on."),
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

export type EffortLevel = z.output<typeof effort>;
export type ModeWord = z.output<typeof modeWord>;
