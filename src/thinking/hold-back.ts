/**
 * Length of the longest suffix of `text` that is a proper prefix of one of `needles`: what must be held back because
 * the next text may complete it.
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

/** Where the first of `needles` begins in `text`; at the same place the longest wins. */
export function findFirst(
  text: string,
  needles: readonly string[],
): { index: number; needle: string } | undefined {
  let found: { index: number; needle: string } | undefined;
  for (const needle of needles) {
    const index = text.indexOf(needle);
    if (index < 0) continue;
    const better =
      found === undefined ||
      index < found.index ||
      (index === found.index && needle.length > found.needle.length);
    if (better) found = { index, needle };
  }
  return found;
}
