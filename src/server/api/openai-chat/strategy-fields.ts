import { z } from 'zod';
import { EXIT_WORDS } from '../../reply/strategies/exits.ts';
import type { Strategy } from '../../reply/strategies/run-strategy.ts';

const MAX_EXITS = 8;
const MAX_ROUNDS = 4;

const samples = (most: string) =>
  z.int().min(2).describe(`${most} At most as many as the operator allows choices (\`n\`).`);

const majorityVote = z
  .strictObject({
    type: z.literal('majority_vote'),
    k: samples('Replies, of which the most frequent answer wins; ties go to the fewest tokens.'),
  })
  .meta({ id: 'MajorityVote' });

const fastAgreeElseThink = z
  .strictObject({
    type: z.literal('fast_agree_else_think'),
    k: samples('Direct answers; where they differ, the model thinks.'),
  })
  .meta({ id: 'FastAgreeElseThink' });

const selfRefine = z
  .strictObject({
    type: z.literal('self_refine'),
    k: samples('Candidates, which one more call sees and refines (GSR).'),
  })
  .meta({ id: 'SelfRefine' });

const parallelDistillRefine = z
  .strictObject({
    type: z.literal('parallel_distill_refine'),
    drafts: samples('Drafts of a round.'),
    rounds: z.int().min(1).max(MAX_ROUNDS).nullish().describe('Default 1.'),
    workspace_tokens: z
      .int()
      .min(16)
      .nullish()
      .describe('Most tokens of the notes that are kept of a round. Default 512.'),
  })
  .meta({ id: 'ParallelDistillRefine' });

const rethink = z.strictObject({ type: z.literal('rethink') }).meta({ id: 'Rethink' });

const exitWords = z
  .string()
  .max(500)
  .nullish()
  .describe(
    `Words that end the thinking, before the protocol's own text. Default: ${EXIT_WORDS} Models that were not trained with them may do better with an empty text.`,
  );

const earlyExit = z
  .strictObject({
    type: z.literal('early_exit'),
    positions: z
      .array(z.int().min(1))
      .min(1)
      .max(MAX_EXITS)
      .refine((all) => all.every((position, i) => position > (all[i - 1] ?? 0)), {
        error: '`strategy.positions` must ascend.',
      })
      .describe('Thinking tokens after which the model is made to answer, ascending.'),
    exit_words: exitWords,
  })
  .meta({ id: 'EarlyExit' });

const confidenceExit = z
  .strictObject({
    type: z.literal('confidence_exit'),
    threshold: z
      .number()
      .gt(0)
      .max(1)
      .nullish()
      .describe('Confidence from which on a trial answer ends the thinking. Default 0.95.'),
    transitions: z
      .array(z.string().min(1))
      .min(1)
      .max(16)
      .nullish()
      .describe('Words before which an answer is tried. Default Wait, Alternatively, Hmm.'),
    exit_words: exitWords,
    max_trials: z.int().min(1).max(32).nullish().describe('Default 8.'),
    trial_tokens: z
      .int()
      .min(1)
      .max(256)
      .nullish()
      .describe('Most tokens of a trial answer. Default 32.'),
  })
  .meta({ id: 'ConfidenceExit' });

export const strategyField = z
  .discriminatedUnion('type', [
    majorityVote,
    fastAgreeElseThink,
    selfRefine,
    parallelDistillRefine,
    rethink,
    earlyExit,
    confidenceExit,
  ])
  .nullish()
  .describe('Answers by several calls of the model instead of one.');

export type WireStrategy = NonNullable<z.output<typeof strategyField>>;

/** @param budget most thinking tokens the request allows; null where it names none */
export function toStrategy(wire: WireStrategy, budget: number | null): Strategy {
  switch (wire.type) {
    case 'parallel_distill_refine':
      return {
        type: wire.type,
        drafts: wire.drafts,
        rounds: wire.rounds ?? 1,
        workspaceTokens: wire.workspace_tokens ?? 512,
      };
    case 'early_exit':
      return {
        type: wire.type,
        positions: wire.positions,
        exitWords: wire.exit_words ?? EXIT_WORDS,
      };
    case 'confidence_exit':
      return {
        type: wire.type,
        threshold: wire.threshold ?? 0.95,
        transitions: wire.transitions ?? ['Wait', 'Alternatively', 'Hmm'],
        exitWords: wire.exit_words ?? EXIT_WORDS,
        maxTrials: wire.max_trials ?? 8,
        trialTokens: wire.trial_tokens ?? 32,
        budget,
      };
    default:
      return wire;
  }
}

/** What a strategy's parallel calls are called in the request; null where it makes none. */
export function parallelCalls(wire: WireStrategy): { field: string; count: number } | null {
  if ('k' in wire) return { field: 'strategy.k', count: wire.k };
  return 'drafts' in wire ? { field: 'strategy.drafts', count: wire.drafts } : null;
}

const tokens = z.int();

/** What a strategy did, beside its answer. */
export const strategyReportSchema = z
  .object({
    type: z.string(),
    calls: z.int(),
    sequential_tokens: tokens.describe(
      'Generated tokens one waited for: the longest of each stage.',
    ),
    total_tokens: tokens.describe('Generated tokens of all calls.'),
    votes: z
      .array(z.object({ answer: z.string(), count: z.int() }))
      .optional()
      .describe('Answers as they were compared, most votes first.'),
    agreed: z.boolean().optional(),
    candidates: z.array(z.string()).optional().describe('Answers the last call saw.'),
    workspace: z.string().optional().describe('Notes the last call saw.'),
    exits: z
      .array(z.object({ position: tokens, answer: z.string(), confidence: z.number().nullable() }))
      .optional()
      .describe('Answers that were tried, by the thinking tokens before them.'),
  })
  .meta({ id: 'StrategyReport' });

export type StrategyReport = z.output<typeof strategyReportSchema>;
