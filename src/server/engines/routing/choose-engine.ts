/** An engine that takes requests. */
export interface Candidate {
  readonly engine: number;
  /** Requests that the engine has, including those that wait. */
  readonly load: number;
  /** Tokens of the prompt that the engine has in its cache. */
  readonly known: number;
  /** When the engine was last chosen, on any rising clock. */
  readonly lastChosen: number;
}

export interface ChoiceInput {
  /** Tokens of the prompt. */
  readonly numTokens: number;
  /** Slots of each engine. */
  readonly numSlots: number;
}

/** Reason for a choice. */
export type ChosenBy = 'prefix' | 'load';

export interface Choice {
  readonly engine: number;
  readonly by: ChosenBy;
}

/** Smallest share of a prompt for which a cached prefix decides. */
const WORTHWHILE = 0.3;

/**
 * Chooses the engine for a prompt: the engine with the longest cached prefix, if that is a good part of the prompt and
 * the engine is not much busier than others; else the engine with the fewest requests, in turn among equals.
 *
 * After the cache-aware policy of SGLang's router (sgl-project/sglang, sgl-router/src/policies/cache_aware.rs: match
 * rate above `cache_threshold`, shortest queue beyond `balance_abs_threshold` and `balance_rel_threshold`). Its
 * thresholds count requests on servers that run hundreds. Here they follow from the slots: an engine is too busy when it
 * has no free slot while another has one, or when its lead over the idlest exceeds half its slots.
 *
 * @returns null when there is no candidate
 */
export function chooseEngine(
  candidates: readonly Candidate[],
  { numTokens, numSlots }: ChoiceInput,
): Choice | null {
  const least = Math.min(...candidates.map(({ load }) => load));
  const slack = Math.max(1, Math.floor(numSlots / 2));
  const worth = (known: number): boolean => known > 0 && known >= WORTHWHILE * numTokens;
  const isTooBusy = (load: number): boolean =>
    load - least > slack || (load >= numSlots && least < numSlots);
  const knowing = candidates.filter(({ known, load }) => worth(known) && !isTooBusy(load));
  const [best] = knowing.toSorted((left, right) => right.known - left.known || byLoad(left, right));
  if (best !== undefined) return { engine: best.engine, by: 'prefix' };
  const [idlest] = candidates.toSorted(byLoad);
  return idlest === undefined ? null : { engine: idlest.engine, by: 'load' };
}

function byLoad(left: Candidate, right: Candidate): number {
  return left.load - right.load || left.lastChosen - right.lastChosen;
}
