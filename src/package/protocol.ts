import { z } from 'zod';

const tagsSchema = z.strictObject({ open: z.string().min(1), close: z.string().min(1) });

/** `reopen`: what opens a further block of the same turn, where that is more than the open tag. */
const blockTagsSchema = tagsSchema.extend({ reopen: z.string().min(1).optional() });

const modeSchema = z.strictObject({
  /** Text the rendered prompt must end with, tags included. */
  prefill: z.string().optional(),
  /** Text around the last user message. */
  userPrefix: z.string().optional(),
  userSuffix: z.string().optional(),
  /** Text of a system message put first (before the caller's own, if there is one). */
  system: z.string().optional(),
  /** Variables handed to the chat template. */
  templateVariables: z
    .record(z.string(), z.union([z.string(), z.boolean(), z.number()]))
    .optional(),
  /**
   * Texts the block may not begin with (white space aside); for families whose forced thinking is the absence of a
   * close tag.
   */
  banFirst: z.array(z.string()).optional(),
  /** Sampling defaults of this mode, over the package's own. */
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
 * Texts whose probability at the decision point is p(think) and p(fast), written as the tokenizer sees them there.
 * Without `think`, everything that is not `fast` is thinking.
 */
const probeSchema = z.strictObject({
  think: z.array(z.string().min(1)).min(1).optional(),
  fast: z.array(z.string().min(1)).min(1),
});

const decidedModeSchema = z.enum(['think', 'fast']);
const markersSchema = z.record(z.string().min(1), decidedModeSchema);

/** `anywhere`: the tags mark a part of the answer (a box around the result) and are not bound to its beginning. */
const answerTagsSchema = tagsSchema.extend({ anywhere: z.boolean().optional() });

/**
 * How a model family signals thinking, as data. A protocol travels in the package's manifest, so serving a new family
 * needs a new row and no new code.
 *
 * `modes` lists what the family can do; a mode that is absent cannot be asked for. `prefill` is the text that must end
 * the rendered generation prompt: what the chat template already wrote is not written twice (overlap rule).
 */
export const protocolSchema = z.strictObject({
  name: z.string(),
  /** The tags around the thinking. */
  tags: blockTagsSchema,
  /** A section before everything else in which the model weighs the question; neither thinking nor answer. */
  preamble: tagsSchema.optional(),
  defaultMode: z.enum(['auto', 'think', 'fast']),
  modes: z.strictObject({
    auto: modeSchema.optional(),
    think: modeSchema.optional(),
    fast: modeSchema.optional(),
  }),
  /** Degrees of thinking the family knows by name; each is `think` with these changes. */
  efforts: z.record(z.enum(['low', 'medium', 'high']), modeSchema).optional(),
  /**
   * How the chosen mode shows in the output. `empty-block`: a block with nothing but white space is a direct answer.
   * `control`: one of some strings, at the start or after the preamble. `verdict`: words inside the preamble.
   * `prompt`: the prompt alone decides.
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
  /** Words a user may write in a message to switch the mode, where the family was trained so. */
  softSwitch: markersSchema.optional(),
  /** Tags around the answer, in every mode or in one; taken out of what the caller sees. */
  answer: z
    .strictObject({
      all: answerTagsSchema.optional(),
      think: answerTagsSchema.optional(),
      fast: answerTagsSchema.optional(),
    })
    .optional(),
  /** What of an earlier assistant turn's thinking goes back into the prompt. */
  history: z.strictObject({
    thinking: z.enum(['drop', 'after-last-user']),
    /** Written in place of thinking that was dropped. */
    replacement: z.string().optional(),
  }),
  budget: z.strictObject({
    /** Text that ends the thinking when its budget is spent. It must contain the close tag. */
    exit: z.string(),
    /** Text written instead of the close tag to have the model think on (s1, arXiv 2501.19393). */
    extension: z.string().optional(),
    /** Variable of the chat template that takes the budget, where the family was trained to read one. */
    templateVariable: z.string().optional(),
  }),
  /** Where the row was read: in a primary source, in part, or nowhere. */
  evidence: z.enum(['seen', 'partly-inferred', 'inferred']),
  /** What of the row was not seen in a primary source; said when a package with it is loaded. */
  unverified: z.string().optional(),
});

export type Protocol = z.output<typeof protocolSchema>;
export type AnswerTags = z.output<typeof answerTagsSchema>;
export type ModeRow = z.output<typeof modeSchema>;

/** How a request is to be answered; `auto` leaves the decision to the model. */
export type ThinkingMode = 'auto' | 'think' | 'fast';

/** How a request is answered once it is decided. */
export type DecidedMode = Exclude<ThinkingMode, 'auto'>;
