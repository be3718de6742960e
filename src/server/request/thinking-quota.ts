import type { GenerationEvent, GenerationRequest } from '../../engine/generation.ts';
import type { Protocol, ThinkingMode } from '../../package/protocol.ts';
import type { Quotas } from '../http/access/quotas.ts';
import type { Continuation } from '../prompt/continuation.ts';
import type { ThinkingOptions } from './thinking-options.ts';
import { defaultMode, type ThinkingPolicy } from './thinking-policy.ts';

/** How the thinking goes in the end. */
export interface ThinkingPlan {
  readonly mode: ThinkingMode;
  readonly source: GenerationRequest['thinking']['source'];
  /** The caller's thinking quota was used up, so that the answer comes directly. */
  readonly isQuotaFallback?: boolean;
}

export interface QuotaInput {
  readonly asked: Pick<ThinkingOptions, 'askedBy' | 'requested' | 'source'>;
  readonly continuation: Pick<Continuation, 'section'> | null;
}

export interface QuotaContext {
  readonly protocol: Pick<Protocol, 'defaultMode' | 'modes'>;
  readonly policy: Pick<ThinkingPolicy, 'lock' | 'mode'>;
  /** null where the caller has none. */
  readonly quotas: Pick<Quotas, 'isThinkingSpent' | 'thinkingRefusal'> | null;
}

/**
 * The plan of a caller whose thinking quota is used up: what may be answered directly is.
 * @throws ApiError where the request, or the server, insists on thinking
 */
export function withinQuota(
  plan: ThinkingPlan,
  { asked, continuation }: QuotaInput,
  { protocol, policy, quotas }: QuotaContext,
): ThinkingPlan {
  if (plan.mode === 'fast' || quotas === null || !quotas.isThinkingSpent) return plan;
  if (continuation !== null) {
    // Beyond the block no thinking is left to come.
    if (continuation.section !== 'block') return plan;
    throw quotas.thinkingRefusal('continue_final_message');
  }
  const isAsked = asked.requested === 'think' && asked.source === 'request';
  const isLocked = policy.lock && defaultMode(policy, protocol) !== 'fast';
  if (isAsked || isLocked || protocol.modes.fast === undefined) {
    throw quotas.thinkingRefusal(asked.askedBy ?? 'thinking_mode');
  }
  return { mode: 'fast', source: 'policy', isQuotaFallback: true };
}

/** The same events; every token of thinking is taken off the caller's quota as it comes. */
export async function* chargeThinking(
  events: AsyncIterable<GenerationEvent>,
  quotas: Pick<Quotas, 'spendThinking'> | null,
): AsyncGenerator<GenerationEvent, void> {
  for await (const event of events) {
    if (event.type === 'token' && event.section === 'reasoning') quotas?.spendThinking(1);
    yield event;
  }
}
