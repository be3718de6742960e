import { logSumExp } from '../sampling/logprobs.ts';

/** Token ids whose probabilities at the decision point make up p(think). */
export interface ProbeTokens {
  readonly think: readonly number[];
  readonly fast: readonly number[];
}

/**
 * p(think) from raw logits, before any temperature, penalty or bias.
 * @param logits float32 [vocabSize] of the position right after the open tag.
 */
export function measureDecision(
  logits: Float32Array,
  probe: ProbeTokens,
): { pThink: number; residual: number } {
  const total = logSumExp(logits);
  const mass = (ids: readonly number[]): number =>
    ids.reduce((sum, id) => sum + Math.exp((logits[id] ?? Number.NEGATIVE_INFINITY) - total), 0);
  const think = mass(probe.think);
  const fast = mass(probe.fast);
  const both = think + fast;
  return { pThink: both > 0 ? think / both : 0.5, residual: Math.max(0, 1 - both) };
}
