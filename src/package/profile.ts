import { z } from 'zod';

/** Names of profiles: economy, balanced, thorough, or an operator's own. */
export const PROFILE_NAME = /^[a-z][a-z0-9-]{0,31}$/;

const share = z.number().min(0).max(1);

/** A value and its 95 % confidence interval. */
const estimate = z.strictObject({ value: z.number(), low: z.number(), high: z.number() });

/** Goal of a threshold. `min-gain` is a share of the accuracy that always thinking adds over never thinking. */
export const goalSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('max-tokens-share'), value: z.number().positive() }),
  z.strictObject({ kind: z.literal('max-mean-tokens'), value: z.number().positive() }),
  z.strictObject({ kind: z.literal('min-accuracy'), value: share }),
  z.strictObject({ kind: z.literal('min-gain'), value: share }),
]);

/** A calibrated threshold on p(think), and its results on held-out questions. */
export const profileSchema = z.strictObject({
  /** The model thinks if p(think) is at least this. */
  threshold: share,
  goal: goalSchema,
  dataset: z.strictObject({ name: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  heldOut: z.strictObject({
    numQuestions: z.int().min(1),
    accuracy: estimate,
    meanTokens: estimate,
    /** Mean tokens relative to always thinking. */
    tokensShare: estimate,
    thinkingRate: estimate,
  }),
});

export const profilesSchema = z.record(z.string().regex(PROFILE_NAME), profileSchema);

export type ThinkingProfile = z.output<typeof profileSchema>;
export type ThinkingProfiles = Readonly<Record<string, ThinkingProfile>>;
export type ThresholdGoal = z.output<typeof goalSchema>;
export type Estimate = z.output<typeof estimate>;
