/** Tokens that must repeat before what followed them is taken for a draft: the longest match first. */
export const LONGEST_MATCH = 4;
const SHORTEST_MATCH = 2;

export interface Draft {
  /** Tokens that may follow. */
  readonly tokenIds: readonly number[];
  /** How many of the text's last tokens stood before them already, at most `LONGEST_MATCH`. */
  readonly numMatched: number;
}

/**
 * Drafts the next tokens of a text from itself (prompt lookup decoding, Saxena 2023): where its last tokens stood
 * before, most recently, what followed them there may follow again; where that leads up to the end, once more.
 * @param count most tokens to draft
 * @returns the draft; null where nothing repeats
 */
export function lookUpDraft(
  promptTokenIds: Int32Array,
  generated: readonly number[],
  count: number,
): Draft | null {
  const numPrompt = promptTokenIds.length;
  const total = numPrompt + generated.length;
  const at = (index: number): number =>
    (index < numPrompt ? promptTokenIds[index] : generated[index - numPrompt]) ?? -1;
  let [found, longest] = [-1, SHORTEST_MATCH - 1];
  for (let end = total - 1; end > 0 && longest < LONGEST_MATCH; end--) {
    let length = 0;
    while (
      length < LONGEST_MATCH &&
      length < end &&
      at(end - 1 - length) === at(total - 1 - length)
    )
      length++;
    if (length > longest) [found, longest] = [end, length];
  }
  if (found < 0 || count < 1) return null;
  const period = total - found;
  const tokenIds = Array.from({ length: count }, (_, i) => at(found + (i % period)));
  return { tokenIds, numMatched: longest };
}
