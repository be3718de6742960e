import type { FeatureSpan, PrefillChunk } from '../model-runner.ts';

/**
 * Cuts a chunk into pieces of at most `longest` tokens, each a chunk of its own.
 * @param hiddenSize elements of a feature row
 */
export function splitChunk(
  chunk: PrefillChunk,
  longest: number,
  hiddenSize: number,
): readonly PrefillChunk[] {
  const { start, tokenIds, features, needsLogits } = chunk;
  const { length } = tokenIds;
  if (length <= longest) return [chunk];
  return Array.from({ length: Math.ceil(length / longest) }, (_, index) => {
    const first = index * longest;
    const end = Math.min(first + longest, length);
    return {
      ...chunk,
      start: start + first,
      tokenIds: tokenIds.subarray(first, end),
      features: features.flatMap((span) => partOf(span, { first, end, hiddenSize })),
      needsLogits: needsLogits && end === length,
    };
  });
}

/** The rows of a span that lie in a piece of its chunk; none where it lies elsewhere. */
function partOf(
  { offset, rows }: FeatureSpan,
  { first, end, hiddenSize }: { first: number; end: number; hiddenSize: number },
): FeatureSpan[] {
  const from = Math.max(offset, first);
  const to = Math.min(offset + rows.length / hiddenSize, end);
  if (from >= to) return [];
  const part = rows.subarray((from - offset) * hiddenSize, (to - offset) * hiddenSize);
  return [{ offset: from - first, rows: part }];
}
