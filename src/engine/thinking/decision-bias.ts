import type { DecisionBias } from './decision.ts';
import type { Branch } from './probe.ts';

/** Who may lean on the model's choice, in the order in which their parts are added. */
export type BiasSource = 'policy' | 'request' | 'load';

export interface Lean {
  /** Added to the log odds of thinking. */
  readonly bias: number;
  readonly threshold: number | null;
}

/** What the logits of the one position become: as they are, and after each source has added its part. */
export interface BiasedLogits {
  readonly branch: Branch;
  /** float32 [vocabSize] each: raw, then with the parts of `sources` added one after the other. */
  readonly variants: readonly Float32Array[];
  readonly sources: readonly BiasSource[];
}

/** Everybody's parts together; the last of `leans`. */
export function totalBias(decisionBias: DecisionBias): Lean {
  const { requestBias, serverBias, loadBias, threshold } = decisionBias;
  return { bias: requestBias + serverBias + loadBias, threshold };
}

/** The operator's part, then the request's, then the load's, each with those before it; parts that are nothing left out. */
function leans(decisionBias: DecisionBias): { readonly source: BiasSource; readonly lean: Lean }[] {
  const { requestBias, serverBias, loadBias, threshold, thresholdSource } = decisionBias;
  const isRequests = thresholdSource === 'request';
  const policy: Lean = { bias: serverBias, threshold: isRequests ? null : threshold };
  const request: Lean = { bias: serverBias + requestBias, threshold };
  const load: Lean = { bias: request.bias + loadBias, threshold };
  return [
    ...(isNothing(policy) ? [] : [{ source: 'policy', lean: policy } as const]),
    ...(requestBias === 0 && !(isRequests && threshold !== null)
      ? []
      : [{ source: 'request', lean: request } as const]),
    ...(loadBias === 0 ? [] : [{ source: 'load', lean: load } as const]),
  ];
}

function isNothing({ bias, threshold }: Lean): boolean {
  return bias === 0 && threshold === null;
}

/**
 * p(think) after leaning. At temperature 0 the bias alone moves it, and the threshold is what it is held against; else
 * the threshold moves the odds by its own, so that 0.5 changes nothing.
 */
export function biasedProbability(p: number, { bias, threshold }: Lean, greedy: boolean): number {
  const shift = bias - (greedy || threshold === null ? 0 : logit(threshold));
  return shift === 0 ? p : 1 / (1 + Math.exp(-(logit(p) + shift)));
}

/** @returns null where nobody leans */
export function biasLogits(
  logits: Float32Array,
  branch: Branch,
  decisionBias: DecisionBias,
  greedy: boolean,
): BiasedLogits | null {
  const steps = leans(decisionBias);
  if (steps.length === 0) return null;
  const steered = steps.map(({ lean }) => leanOn(logits, branch, lean, greedy));
  return { branch, variants: [logits, ...steered], sources: steps.map(({ source }) => source) };
}

/** The source whose part made the outcome what it is; null when the model would have chosen so by itself. */
export function biasSource(
  { branch, sources }: BiasedLogits,
  tokenIds: readonly number[],
): BiasSource | null {
  const sides = tokenIds.map((id) => sideOf(branch, id));
  const last = sides.at(-1);
  if (sides[0] === last) return null;
  const changed = sides.findLastIndex((side) => side !== last);
  return sources[changed] ?? null;
}

/** 0 for thinking, 1 for a direct answer, 2 for neither. */
export function sideOf({ think, fast }: Branch, tokenId: number): 0 | 1 | 2 {
  if (fast.includes(tokenId)) return 1;
  return think === null || think.includes(tokenId) ? 0 : 2;
}

function leanOn(logits: Float32Array, branch: Branch, lean: Lean, greedy: boolean): Float32Array {
  const p = branch.pThink;
  const leant = biasedProbability(p, lean, greedy);
  if (greedy) return onlySide(logits, branch, leant >= (lean.threshold ?? 0.5) ? 0 : 1);
  // Both sides together keep their share; where one has none there is nothing to lean on.
  if (p <= 0 || p >= 1 || leant <= 0 || leant >= 1) return logits;
  const shifts = [Math.log(leant / p), Math.log((1 - leant) / (1 - p)), 0];
  return logits.map((logit, id) => logit + (shifts[sideOf(branch, id)] ?? 0));
}

function onlySide(logits: Float32Array, branch: Branch, side: 0 | 1): Float32Array {
  const kept = logits.map((logit, id) =>
    sideOf(branch, id) === side ? logit : Number.NEGATIVE_INFINITY,
  );
  return kept.some(Number.isFinite) ? kept : logits;
}

function logit(p: number): number {
  return Math.log(p) - Math.log(1 - p);
}
