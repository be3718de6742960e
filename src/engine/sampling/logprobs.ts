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

/** log Σ exp(logits), shifted by the largest logit so that it cannot overflow. */
export function logSumExp(logits: Float32Array): number {
  const max = logits[argmax(logits)]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  return max + Math.log(sum);
}

/** Largest count for which a sorted window is faster than sorting; its cost grows with the square of the count. */
const LARGEST_WINDOW = 64;

/** Ids of the `count` largest logits, largest first (lowest id first among equals). */
export function topIds(logits: Float32Array, count: number): number[] {
  if (count < 1) return [];
  return count <= LARGEST_WINDOW ? topByWindow(logits, count) : topByThreshold(logits, count);
}

/** Finds the smallest of the top logits with a numeric sort, then sorts only the ids that reach it. */
function topByThreshold(logits: Float32Array, count: number): number[] {
  const sorted = logits.slice().sort();
  const threshold = sorted[Math.max(0, sorted.length - count)]!;
  const above: number[] = [];
  const equal: number[] = [];
  for (let i = 0; i < logits.length; i++) {
    if (logits[i]! > threshold) above.push(i);
    else if (logits[i] === threshold) equal.push(i);
  }
  above.sort((a, b) => logits[b]! - logits[a]! || a - b);
  return above.concat(equal.slice(0, count - above.length));
}

/** Scans once with a sorted window of `count` ids. */
function topByWindow(logits: Float32Array, count: number): number[] {
  const ids: number[] = [];
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
