import type { ThinkingRequest } from '../../engine/thinking/decision.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';
import type { Quotas } from '../http/access/quotas.ts';
import { ApiError } from '../http/errors.ts';
import type { Continuation } from '../prompt/continuation.ts';
import type { FieldNames } from './chat-request.ts';
import type { ThinkingOptions } from './thinking-options.ts';
import { defaultMode, type ThinkingPolicy } from './thinking-policy.ts';

/**
 * Fewer thinking tokens than this are not worth an opened block: where the request does not ask to think, the answer
 * comes directly instead.
 */
const MIN_THINKING_TOKENS = 8;

/** The mode in which a request is answered, and what chose it. */
export interface ThinkingPlan {
  readonly mode: ThinkingMode;
  readonly source: ThinkingRequest['source'];
  /** The thinking quota of the caller was used up, so the answer comes directly. */
  readonly isQuotaFallback?: boolean;
}

/** Tokens that a generation divides between thinking and answer. */
export interface TokenRoom {
  /** Most tokens to generate. */
  readonly maxTokens: number;
  /** Of these, tokens kept for the answer. */
  readonly answerFloor: number;
  /** Tokens of the text that closes the thinking. */
  readonly exitTokens: number;
}

export interface PlanInput {
  readonly asked: Pick<ThinkingOptions, 'askedBy' | 'budget' | 'requested' | 'source'>;
  /** The beginning of the reply, where the request gives one. */
  readonly continuation: Pick<Continuation, 'mode' | 'section'> | null;
  readonly fields: Pick<FieldNames, 'continuesFinal' | 'maxTokens' | 'thinkingMode'>;
}

export interface PlanContext {
  readonly protocol: Pick<Protocol, 'defaultMode' | 'modes'>;
  readonly policy: Pick<ThinkingPolicy, 'lock' | 'mode'>;
  /** null for a caller without quotas. */
  readonly quotas: Pick<Quotas, 'isThinkingSpent' | 'thinkingRefusal'> | null;
}

/**
 * Plans the mode of a request: the mode asked for, or a direct answer where there is no room or no quota to think.
 * @throws ApiError where the request insists on thinking that is not possible
 */
export function planThinking(
  input: PlanInput,
  room: TokenRoom,
  context: PlanContext,
): ThinkingPlan {
  return withinQuota(planWithoutQuota(input, room, context), input, context);
}

function planWithoutQuota(
  { asked, continuation, fields }: PlanInput,
  room: TokenRoom,
  { protocol, policy }: PlanContext,
): ThinkingPlan {
  if (continuation !== null) {
    assertRoomToAnswer(continuation, room, fields);
    // A protocol may lack the mode that the begun reply shows; its default mode writes the prompt then.
    const { mode } = continuation;
    const known = protocol.modes[mode] === undefined ? protocol.defaultMode : mode;
    return { mode: known, source: 'prompt' };
  }
  const insists = policy.mode !== null || policy.lock;
  return isTooSmallToThink(asked, room, { protocol, insists, fields })
    ? { mode: 'fast', source: 'budget' }
    : { mode: asked.requested, source: asked.source };
}

/** A begun thought must be closed before it can be answered from. */
function assertRoomToAnswer(
  { section }: Pick<Continuation, 'section'>,
  { maxTokens, exitTokens }: TokenRoom,
  fields: PlanInput['fields'],
): void {
  if (section === 'answer' || maxTokens > exitTokens) return;
  throw new ApiError(
    'thinking_conflict',
    `\`${fields.maxTokens}\` and \`${fields.continuesFinal}\` contradict: of ${maxTokens} tokens ${exitTokens} close the thinking that was begun, so none is left for the answer.`,
    { param: fields.maxTokens },
  );
}

/**
 * Whether too few tokens are left to think. Thinking that the request or the operator insists on is given up only where
 * not one token of it fits.
 * @throws ApiError where the request insists, or the model cannot answer directly, and nothing fits
 */
function isTooSmallToThink(
  { requested, source, budget, askedBy }: PlanInput['asked'],
  { maxTokens, answerFloor, exitTokens }: TokenRoom,
  {
    protocol,
    insists,
    fields,
  }: Pick<PlanContext, 'protocol'> & Pick<PlanInput, 'fields'> & { readonly insists: boolean },
): boolean {
  if (requested === 'fast') return false;
  const fits = maxTokens - answerFloor - exitTokens;
  const effective = Math.min(budget ?? fits, fits);
  if (effective >= MIN_THINKING_TOKENS) return false;
  const isForced = requested === 'think' && (source === 'request' || insists);
  if (isForced && effective > 0) return false;
  const canAnswerDirectly = protocol.modes.fast !== undefined;
  if (canAnswerDirectly && !(isForced && source === 'request')) return true;
  if (effective > 0) return false;
  throw new ApiError(
    'thinking_conflict',
    `\`${fields.maxTokens}\` and \`${askedBy ?? fields.thinkingMode}\` contradict: of ${maxTokens} tokens ${answerFloor} are kept for the answer and ${exitTokens} close the thinking, so none is left to think.`,
    { param: fields.maxTokens },
  );
}

/**
 * The plan of a caller whose thinking quota may be used up: a direct answer where that is possible.
 * @throws ApiError where the request, or the server, insists on thinking
 */
function withinQuota(
  plan: ThinkingPlan,
  { asked, continuation, fields }: PlanInput,
  { protocol, policy, quotas }: PlanContext,
): ThinkingPlan {
  if (plan.mode === 'fast' || quotas === null || !quotas.isThinkingSpent) return plan;
  if (continuation !== null) {
    // After the block there is no thinking left to come.
    if (continuation.section !== 'reasoning') return plan;
    throw quotas.thinkingRefusal(fields.continuesFinal);
  }
  const isAsked = asked.requested === 'think' && asked.source === 'request';
  const isLocked = policy.lock && defaultMode(policy, protocol) !== 'fast';
  if (isAsked || isLocked || protocol.modes.fast === undefined) {
    throw quotas.thinkingRefusal(asked.askedBy ?? fields.thinkingMode);
  }
  return { mode: 'fast', source: 'policy', isQuotaFallback: true };
}
