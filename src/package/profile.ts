import { z } from 'zod';

/** Names of profiles: economy, balanced, thorough, or an operator's own. */
export const PROFILE_NAME = /^[a-z][a-z0-9-]{0,31}$/;

const share = z.number().min(0).max(1);

/** A value with the two ends of its 95 % interval. */
const estimate = z.strictObject({ value: z.number(), low: z.number(), high: z.number() });

/** What a threshold was to reach. `gain` is a share of the accuracy that thinking adds at best. */
export const goalSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('max-tokens-share'), value: z.number().positive() }),
  z.strictObject({ kind: z.literal('max-mean-tokens'), value: z.number().positive() }),
  z.strictObject({ kind: z.literal('min-accuracy'), value: share }),
  z.strictObject({ kind: z.literal('min-gain'), value: share }),
]);

/** A threshold on p(think) that was chosen by measurement, and what it reached on questions it was not chosen on. */
export const profileSchema = z.strictObject({
  /** The model thinks where p(think) is at least this. */
  threshold: share,
  goal: goalSchema,
  dataset: z.strictObject({ name: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  heldOut: z.strictObject({
    numQuestions: z.int().min(1),
    accuracy: estimate,
    meanTokens: estimate,
    /** Mean tokens as a share of those of always thinking. */
    tokensShare: estimate,
    thinkingRate: estimate,
  }),
});

export const profilesSchema = z.record(z.string().regex(PROFILE_NAME), profileSchema);

export type ThinkingProfile = z.output<typeof profileSchema>;
export type ThinkingProfiles = Readonly<Record<string, ThinkingProfile>>;
export type ThresholdGoal = z.output<typeof goalSchema>;
export type Estimate = z.output<typeof estimate>;
