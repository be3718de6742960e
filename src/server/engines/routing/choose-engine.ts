/** An engine that takes requests. */
export interface Candidate {
  readonly engine: number;
  /** Requests it has, waiting ones among them. */
  readonly load: number;
  /** Tokens of the prompt it need not compute. */
  readonly known: number;
  /** When it was last chosen, on any rising clock. */
  readonly lastChosen: number;
}

export interface ChoiceInput {
  /** Tokens of the prompt. */
  readonly numTokens: number;
  /** Slots of each engine. */
  readonly numSlots: number;
}

/** Why an engine was chosen. */
export type ChosenBy = 'prefix' | 'load';

export interface Choice {
  readonly engine: number;
  readonly by: ChosenBy;
}

/** Share of a prompt from which on it is worth going where it is known. */
const WORTHWHILE = 0.3;

/**
 * The engine for a prompt: the one that knows most of it, if that is a good part of it and the engine is not much busier
 * than others; else the one with the fewest requests, in turns where several have as few.
 *
 * After the cache-aware policy of SGLang's router (sgl-project/sglang, sgl-router/src/policies/cache_aware.rs: match
 * rate above `cache_threshold`, shortest queue beyond `balance_abs_threshold` and `balance_rel_threshold`). Its
 * thresholds are counted in requests for servers that run hundreds; here they follow from the slots: an engine is too
 * busy when it has no slot left while another has, or half its slots' worth of requests more than the idlest.
 *
 * @returns null where there is no candidate
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
