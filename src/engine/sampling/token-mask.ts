/** @param mask one bit per token: token i is bit i % 32 of word i / 32 */
export function allows(mask: Int32Array, tokenId: number): boolean {
  return ((mask[tokenId >>> 5] ?? 0) & (1 << (tokenId & 31))) !== 0;
}

/** Copies logits with all tokens outside the mask made impossible. */
export function maskLogits(logits: Float32Array, mask: Int32Array): Float32Array {
  const kept = logits.slice();
  for (let word = 0; word * 32 < kept.length; word++) {
    const bits = mask[word] ?? 0;
    if (bits === -1) continue;
    const first = word * 32;
    const end = Math.min(first + 32, kept.length);
    for (let id = first; id < end; id++) {
      if ((bits & (1 << (id - first))) === 0) kept[id] = Number.NEGATIVE_INFINITY;
    }
  }
  return kept;
}
