/** Index of the largest logit; the lowest index wins a tie. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  let bestValue = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i]!;
    if (value > bestValue) {
      bestValue = value;
      best = i;
    }
  }
  return best;
}

/** log Σ exp(logits), shifted by the largest so that it cannot overflow. */
export function logSumExp(logits: Float32Array): number {
  const max = logits[argmax(logits)]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  return max + Math.log(sum);
}

/**
 * Ids of the `count` largest logits, largest first (lowest id first among equals). A sorted window of `count`
 * entries is kept while scanning, so the vocabulary itself is never sorted.
 */
export function topIds(logits: Float32Array, count: number): number[] {
  const ids: number[] = [];
  if (count < 1) return ids;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i]!;
    if (ids.length === count && value <= logits[ids[count - 1]!]!) continue;
    let at = ids.length;
    while (at > 0 && logits[ids[at - 1]!]! < value) at--;
    ids.splice(at, 0, i);
    if (ids.length > count) ids.pop();
  }
  return ids;
}
