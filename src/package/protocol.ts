import { z } from 'zod';

const tagsSchema = z.strictObject({ open: z.string().min(1), close: z.string().min(1) });

/** `reopen`: the text that opens another block in the same turn, when it differs from the open tag. */
const blockTagsSchema = tagsSchema.extend({ reopen: z.string().min(1).optional() });

const modeSchema = z.strictObject({
  /** Text the rendered prompt must end with, tags included. */
  prefill: z.string().optional(),
  /** Text around the last user message. */
  userPrefix: z.string().optional(),
  userSuffix: z.string().optional(),
  /** Text of a system message that precedes the caller's own. */
  system: z.string().optional(),
  /** Variables of the chat template. */
  templateVariables: z
    .record(z.string(), z.union([z.string(), z.boolean(), z.number()]))
    .optional(),
  /**
   * Texts that the block may not begin with (white space aside). Families that have no prefill for forced thinking ban
   * the close tag instead.
   */
  banFirst: z.array(z.string()).optional(),
  /** Sampling defaults of this mode; they override the package's. */
  sampling: z
    .strictObject({
      temperature: z.number().min(0).optional(),
      topP: z.number().gt(0).max(1).optional(),
      topK: z.int().min(0).optional(),
      repetitionPenalty: z.number().positive().optional(),
    })
    .optional(),
});

/**
 * Texts whose probabilities at the decision point give p(think) and p(fast), spelled as the tokenizer sees them there.
 * Without `think`, every other text counts as thinking.
 */
const probeSchema = z.strictObject({
  think: z.array(z.string().min(1)).min(1).optional(),
  fast: z.array(z.string().min(1)).min(1),
});

const decidedModeSchema = z.enum(['think', 'fast']);
const markersSchema = z.record(z.string().min(1), decidedModeSchema);

/** `anywhere`: the tags mark a part of the answer, such as a box around the result, and may stand anywhere in it. */
const answerTagsSchema = tagsSchema.extend({ anywhere: z.boolean().optional() });

/**
 * How a model family signals thinking, as data. The package's manifest holds the protocol, so a new family needs a new
 * row and no new code.
 *
 * `modes` lists the modes of the family; a request for any other mode is rejected. `prefill` is the text that ends the
 * rendered generation prompt. The part of it that the chat template already wrote is not written twice (overlap rule).
 */
export const protocolSchema = z.strictObject({
  name: z.string(),
  /** The tags around the thinking. */
  tags: blockTagsSchema,
  /** Tags of a section at the very beginning in which the model rates the question; neither thinking nor answer. */
  preamble: tagsSchema.optional(),
  defaultMode: z.enum(['auto', 'think', 'fast']),
  modes: z.strictObject({
    auto: modeSchema.optional(),
    think: modeSchema.optional(),
    fast: modeSchema.optional(),
  }),
  /** Reasoning efforts that the family knows by name; each is the mode `think` with these changes. */
  efforts: z.record(z.enum(['low', 'medium', 'high']), modeSchema).optional(),
  /**
   * How the output shows the decided mode. `empty-block`: a block of nothing but white space is a direct answer.
   * `control`: a marker at the start or after the preamble. `verdict`: words inside the preamble; the last ones count.
   * `prompt`: the prompt decides, and the output shows nothing.
   */
  decide: z.discriminatedUnion('by', [
    z.strictObject({ by: z.literal('empty-block'), probe: probeSchema.optional() }),
    z.strictObject({
      by: z.literal('control'),
      markers: markersSchema,
      probe: probeSchema.optional(),
    }),
    z.strictObject({ by: z.literal('verdict'), verdicts: markersSchema }),
    z.strictObject({ by: z.literal('prompt') }),
  ]),
  /** Words in a user message that switch the mode, for families trained to obey them. */
  softSwitch: markersSchema.optional(),
  /** Tags around the answer, in every mode or in one. The parser removes them from the answer. */
  answer: z
    .strictObject({
      all: answerTagsSchema.optional(),
      think: answerTagsSchema.optional(),
      fast: answerTagsSchema.optional(),
    })
    .optional(),
  /** Whether the thinking of earlier assistant turns goes back into the prompt. */
  history: z.strictObject({
    thinking: z.enum(['drop', 'after-last-user']),
    /** Text that replaces dropped thinking. */
    replacement: z.string().optional(),
  }),
  budget: z.strictObject({
    /** Text that ends the thinking when the budget is spent. It contains the close tag. */
    exit: z.string(),
    /** Text that replaces the close tag to make the model think on: budget forcing (s1, arXiv 2501.19393). */
    extension: z.string().optional(),
    /** Variable of the chat template that takes the budget, for families trained to read it. */
    templateVariable: z.string().optional(),
  }),
  /** How much of the row was read in a primary source: all, a part, or nothing. */
  evidence: z.enum(['seen', 'partly-inferred', 'inferred']),
  /** The part of the row without a primary source. The server logs it when it loads a package. */
  unverified: z.string().optional(),
});

export type Protocol = z.output<typeof protocolSchema>;
export type AnswerTags = z.output<typeof answerTagsSchema>;
export type ModeRow = z.output<typeof modeSchema>;

/** Mode of a request; `auto` leaves the decision to the model. */
export type ThinkingMode = 'auto' | 'think' | 'fast';

/** Mode of a reply, once it is decided. */
export type DecidedMode = Exclude<ThinkingMode, 'auto'>;
