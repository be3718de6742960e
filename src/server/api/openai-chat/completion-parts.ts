import type { FinishEvent, TokenUsage } from '../../../engine/generation.ts';
import type { Decision } from '../../../engine/thinking/decision.ts';
import { ApiError } from '../../http/errors.ts';
import type { ReplyContext } from '../../reply/reply-context.ts';
import type { TextDisplayOptions } from '../../reply/text-display.ts';
import { openAnswerReader } from '../../reply/tool-calls/open-answer-reader.ts';
import type { ThinkingDecision, ThinkingReport, Usage } from './response-schema.ts';

/** For one reply: calls are counted within it. */
export function displayOptions({ display, tags, tools }: ReplyContext): TextDisplayOptions {
  return { display, tags, answer: tools === null ? null : openAnswerReader(tools) };
}

/** The usage of several calls, each with a prompt of its own. */
export function addUsage(calls: readonly TokenUsage[]): Usage {
  const sum = (read: (usage: TokenUsage) => number): number =>
    calls.reduce((total, usage) => total + read(usage), 0);
  return toUsage([
    {
      promptTokens: sum((usage) => usage.promptTokens),
      cachedTokens: sum((usage) => usage.cachedTokens),
      imageTokens: sum((usage) => usage.imageTokens),
      completionTokens: sum((usage) => usage.completionTokens),
      reasoningTokens: sum((usage) => usage.reasoningTokens),
      preambleTokens: sum((usage) => usage.preambleTokens),
    },
  ]);
}

/**
 * The usage of a reply out of that of its choices. They share one prompt, which is counted once; what was found of it in
 * the cache is what the first to be processed found, for the others find all of it.
 */
export function toUsage(choices: readonly TokenUsage[]): Usage {
  const sum = (read: (usage: TokenUsage) => number): number =>
    choices.reduce((total, usage) => total + read(usage), 0);
  const promptTokens = choices[0]?.promptTokens ?? 0;
  const imageTokens = choices[0]?.imageTokens ?? 0;
  const cachedTokens = Math.min(...choices.map((usage) => usage.cachedTokens));
  const completionTokens = sum((usage) => usage.completionTokens);
  const reasoningTokens = sum((usage) => usage.reasoningTokens);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: {
      cached_tokens: cachedTokens,
      image_tokens: imageTokens,
      text_tokens: promptTokens - imageTokens,
    },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}

/** @param decision null while, or where, nothing was decided */
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
  decision: Decision | null,
  context: Pick<ReplyContext, 'requested'>,
  finish: FinishEvent,
): ThinkingReport {
  const { reasoningTokens, preambleTokens, completionTokens } = finish.usage;
  return {
    ...toThinkingDecision(decision, context),
    ended_by: finish.thinkingEnd,
    budget: finish.budget,
    reasoning_tokens: reasoningTokens,
    preamble_tokens: preambleTokens,
    answer_tokens: completionTokens - reasoningTokens - preambleTokens,
  };
}

/**
 * The wire's finish reason. Whatever was cut off, by a limit of tokens or of time, is `length`.
 * @throws ApiError when the generation did not come to an end of its own
 */
export function toFinishReason(
  finish: FinishEvent,
  hasToolCalls: boolean,
): 'stop' | 'length' | 'tool_calls' {
  switch (finish.reason) {
    case 'stop':
      return hasToolCalls ? 'tool_calls' : 'stop';
    case 'length':
    case 'timeout':
      return 'length';
    case 'abort':
      throw new ApiError('generation_aborted', 'The generation was stopped before its end.', {
        retryAfterSeconds: 1,
      });
    case 'error':
      throw new ApiError('engine_error', finish.message ?? 'The engine failed.', {
        cause: finish.detail ?? undefined,
      });
  }
}

/** The engine's events stopped before their `finish`. */
export function endedWithoutResult(): ApiError {
  return new ApiError('engine_error', 'The engine ended without a result.');
}

/** Of several choices each has its own decision, in the body; the headers tell the only one's. */
export function thinkingHeaders(
  decision: Decision | null,
  { requested, identity, numChoices }: ReplyContext,
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
