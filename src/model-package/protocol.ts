import { z } from 'zod';

/**
 * How a model family signals thinking, as data. A protocol travels in the package's manifest, so serving a new family
 * needs a new row and no new code.
 *
 * `modes` lists what the family can do; a mode that is absent cannot be asked for. `prefill` is the text that must end
 * the rendered generation prompt: what the chat template already wrote is not written twice (overlap rule).
 */
const modeSchema = z.strictObject({
  /** Text the rendered prompt must end with, tags included. */
  prefill: z.string().optional(),
  /** Variables handed to the chat template. */
  templateVariables: z
    .record(z.string(), z.union([z.string(), z.boolean(), z.number()]))
    .optional(),
  /** Sampling defaults of this mode, over the package's own. */
  sampling: z
    .strictObject({
      temperature: z.number().min(0).optional(),
      topP: z.number().gt(0).max(1).optional(),
      topK: z.int().min(0).optional(),
    })
    .optional(),
});

export const protocolSchema = z.strictObject({
  name: z.string(),
  /** The tags around the thinking. */
  tags: z.strictObject({ open: z.string().min(1), close: z.string().min(1) }),
  defaultMode: z.enum(['auto', 'think', 'fast']),
  modes: z.strictObject({
    auto: modeSchema.optional(),
    think: modeSchema.optional(),
    fast: modeSchema.optional(),
  }),
  /**
   * How the chosen mode shows in the output. `empty-block`: a block with nothing but white space is a direct answer.
   * `prompt`: the prompt alone decides.
   */
  decide: z.discriminatedUnion('by', [
    z.strictObject({
      by: z.literal('empty-block'),
      /** Single tokens whose probability at the decision point is p(think) and p(fast). */
      probe: z
        .strictObject({ think: z.array(z.string()).min(1), fast: z.array(z.string()).min(1) })
        .optional(),
    }),
    z.strictObject({ by: z.literal('prompt') }),
  ]),
  /** What of an earlier assistant turn's thinking goes back into the prompt. */
  history: z.strictObject({ thinking: z.enum(['drop', 'after-last-user']) }),
  /** Text that ends the thinking when its budget is spent. It must contain the close tag. */
  budget: z.strictObject({ exit: z.string() }),
  /** Where the row was read: seen in a primary source, or inferred in part. */
  evidence: z.enum(['seen', 'partly-inferred', 'inferred']),
});

export type Protocol = z.output<typeof protocolSchema>;
export type ThinkingMode = 'auto' | 'think' | 'fast';
