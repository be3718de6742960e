import type { DecisionBias } from './decision.ts';
import type { Branch } from './probe.ts';

/** Sources of decision bias. */
export type BiasSource = 'policy' | 'request' | 'load';

/** Sum of the bias of some sources. */
export interface TotalBias {
  /** Added to the log odds of thinking. */
  readonly bias: number;
  readonly threshold: number | null;
}

/** Logits of the decision point: raw, and after the bias of each source. */
export interface BiasedLogits {
  readonly branch: Branch;
  /** float32 [vocabSize] each: raw, then with the bias of the first source, of the first two, and so on. */
  readonly variants: readonly Float32Array[];
  readonly sources: readonly BiasSource[];
}

/** Bias of all sources together. */
export function totalBias(decisionBias: DecisionBias): TotalBias {
  const { requestBias, serverBias, loadBias, threshold } = decisionBias;
  return { bias: requestBias + serverBias + loadBias, threshold };
}

/** Running totals: the policy's bias, with the request's, with the load's. Sources without a bias are left out. */
function runningTotals(
  decisionBias: DecisionBias,
): { readonly source: BiasSource; readonly total: TotalBias }[] {
  const { requestBias, serverBias, loadBias, threshold, thresholdSource } = decisionBias;
  const isRequests = thresholdSource === 'request';
  const policy: TotalBias = { bias: serverBias, threshold: isRequests ? null : threshold };
  const request: TotalBias = { bias: serverBias + requestBias, threshold };
  const load: TotalBias = { bias: request.bias + loadBias, threshold };
  return [
    ...(isNothing(policy) ? [] : [{ source: 'policy', total: policy } as const]),
    ...(requestBias === 0 && !(isRequests && threshold !== null)
      ? []
      : [{ source: 'request', total: request } as const]),
    ...(loadBias === 0 ? [] : [{ source: 'load', total: load } as const]),
  ];
}

function isNothing({ bias, threshold }: TotalBias): boolean {
  return bias === 0 && threshold === null;
}

/**
 * p(think) after the bias. At temperature 0 only the bias changes it, and the threshold is compared with the result.
 * Above, the threshold's log odds are subtracted too, so that 0.5 changes nothing.
 */
export function biasedProbability(
  p: number,
  { bias, threshold }: TotalBias,
  greedy: boolean,
): number {
  const shift = bias - (greedy || threshold === null ? 0 : logit(threshold));
  return shift === 0 ? p : 1 / (1 + Math.exp(-(logit(p) + shift)));
}

/** Applies the bias of each source to the logits of the decision point. @returns null without any bias */
export function biasLogits(
  logits: Float32Array,
  branch: Branch,
  decisionBias: DecisionBias,
  greedy: boolean,
): BiasedLogits | null {
  const totals = runningTotals(decisionBias);
  if (totals.length === 0) return null;
  const biased = totals.map(({ total }) => withBias(logits, branch, total, greedy));
  return { branch, variants: [logits, ...biased], sources: totals.map(({ source }) => source) };
}

/**
 * The source whose bias changed the outcome; null when the raw logits have the same outcome.
 * @param tokenIds token sampled from each variant
 */
export function biasSource(
  { branch, sources }: BiasedLogits,
  tokenIds: readonly number[],
): BiasSource | null {
  const outcomes = tokenIds.map((id) => outcomeOf(branch, id));
  const last = outcomes.at(-1);
  if (outcomes[0] === last) return null;
  const changed = outcomes.findLastIndex((outcome) => outcome !== last);
  return sources[changed] ?? null;
}

/** Mode that a token leads to: 0 for thinking, 1 for a direct answer, 2 for neither. */
export function outcomeOf({ think, fast }: Branch, tokenId: number): 0 | 1 | 2 {
  if (fast.includes(tokenId)) return 1;
  return think === null || think.includes(tokenId) ? 0 : 2;
}

function withBias(
  logits: Float32Array,
  branch: Branch,
  total: TotalBias,
  greedy: boolean,
): Float32Array {
  const p = branch.pThink;
  const biased = biasedProbability(p, total, greedy);
  if (greedy) return onlyOutcome(logits, branch, biased >= (total.threshold ?? 0.5) ? 0 : 1);
  // Both modes together keep their probability. Where one has none, a bias cannot change it.
  if (p <= 0 || p >= 1 || biased <= 0 || biased >= 1) return logits;
  const shifts = [Math.log(biased / p), Math.log((1 - biased) / (1 - p)), 0];
  return logits.map((logit, id) => logit + (shifts[outcomeOf(branch, id)] ?? 0));
}

function onlyOutcome(logits: Float32Array, branch: Branch, outcome: 0 | 1): Float32Array {
  const kept = logits.map((logit, id) =>
    outcomeOf(branch, id) === outcome ? logit : Number.NEGATIVE_INFINITY,
  );
  return kept.some(Number.isFinite) ? kept : logits;
}

function logit(p: number): number {
  return Math.log(p) - Math.log(1 - p);
}
