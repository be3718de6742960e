import { z } from 'zod';
import type { Decision } from '../../engine/thinking/decision.ts';
import type { ReplyContext } from '../reply/reply-context.ts';
import type { ReplyFinish } from '../reply/reply-events.ts';

const decision = z.object({
  requested: z.enum(['auto', 'think', 'fast']),
  mode: z.enum(['think', 'fast']).nullable(),
  source: z
    .enum(['model', 'request', 'policy', 'prompt', 'budget', 'load', 'holdout'])
    .nullable()
    .describe(
      'What decided: the model, the request, the server, the prompt, the budget, the load or the hold-out experiment.',
    ),
  p_think: z
    .number()
    .nullable()
    .describe('Probability of thinking from the raw logits; null when not measured.'),
  p_think_steered: z.number().nullable().describe('The same after biases and the threshold.'),
  residual: z.number().nullable().describe('Probability of neither thinking nor answering.'),
  holdout: z
    .boolean()
    .describe(
      'The hold-out experiment made this request think; without it the model would have decided.',
    ),
});

/** On the first chunk of a stream; the last chunk has the whole report. */
export const thinkingDecisionSchema = decision.meta({ id: 'ThinkingDecision' });

export const thinkingReportSchema = decision
  .extend({
    ended_by: z
      .enum([
        'natural',
        'budget',
        'loop',
        'client',
        'deadline',
        'max_tokens',
        'stop',
        'abort',
        'error',
      ])
      .nullable()
      .describe('null when there was no thinking.'),
    budget: z.object({ asked: z.int().nullable(), effective: z.int().nullable() }),
    reasoning_tokens: z.int(),
    preamble_tokens: z
      .int()
      .describe(
        'Tokens in which some model families weigh the question first; neither thinking nor answer.',
      ),
    answer_tokens: z.int(),
  })
  .meta({ id: 'ThinkingReport' });

export type ThinkingDecision = z.output<typeof thinkingDecisionSchema>;
export type ThinkingReport = z.output<typeof thinkingReportSchema>;

/** @param decision null before the decision, and when there was nothing to decide */
export function toThinkingDecision(
  decision: Decision | null,
  { requested }: Pick<ReplyContext, 'requested'>,
): ThinkingDecision {
  return {
    requested,
    mode: decision?.mode ?? null,
    source: decision?.source ?? null,
    p_think: decision?.pThink ?? null,
    p_think_steered: decision?.pThinkBiased ?? null,
    residual: decision?.residual ?? null,
    holdout: decision?.source === 'holdout',
  };
}

export function toThinkingReport(
  { thinking, usage }: Pick<ReplyFinish, 'thinking' | 'usage'>,
  context: Pick<ReplyContext, 'requested'>,
): ThinkingReport {
  const { reasoningTokens, preambleTokens, completionTokens } = usage;
  return {
    ...toThinkingDecision(thinking.decision, context),
    ended_by: thinking.thinkingEnd,
    budget: thinking.budget,
    reasoning_tokens: reasoningTokens,
    preamble_tokens: preambleTokens,
    answer_tokens: completionTokens - reasoningTokens - preambleTokens,
  };
}

/** Headers that name the decision. Each of several choices has its own, so then only the body names them. */
export function thinkingHeaders(
  decision: Decision | null,
  { requested, identity, numChoices }: Pick<ReplyContext, 'requested' | 'identity' | 'numChoices'>,
): Record<string, string> {
  const headers: Record<string, string> = {
    'x-completion-id': identity.id,
    'x-thinking-requested': requested,
  };
  if (decision === null || numChoices > 1) return headers;
  headers['x-thinking-decision'] = decision.mode;
  headers['x-thinking-source'] = decision.source;
  if (decision.source === 'holdout') headers['x-thinking-holdout'] = 'true';
  if (decision.pThink !== null) headers['x-thinking-probability'] = decision.pThink.toFixed(6);
  return headers;
}
