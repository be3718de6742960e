/**
 * Length of the longest suffix of `text` that is a proper prefix of one of `needles`. It is held back because the next
 * text may complete it.
 */
export function heldSuffixLength(text: string, needles: readonly string[]): number {
  let held = 0;
  for (const needle of needles) {
    for (let length = Math.min(needle.length - 1, text.length); length > held; length--) {
      if (text.endsWith(needle.slice(0, length))) {
        held = length;
        break;
      }
    }
  }
  return held;
}

/**
 * The one of `needles` that is complete first in `text`, and its index. Of several that end together, the longest wins.
 * The end decides, not the beginning, so that the result does not depend on how the text is cut into pieces.
 */
export function findFirst(
  text: string,
  needles: readonly string[],
): { index: number; needle: string } | undefined {
  let found: { index: number; needle: string } | undefined;
  for (const needle of needles) {
    const index = text.indexOf(needle);
    if (index < 0) continue;
    const end = index + needle.length;
    const best = found === undefined ? Number.POSITIVE_INFINITY : found.index + found.needle.length;
    if (end < best || (end === best && index < (found?.index ?? 0))) found = { index, needle };
  }
  return found;
}
