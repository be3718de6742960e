/** What is known of a request's length: a direct answer is short, thinking is long, and some have yet to choose. */
export type Outlook = 'direct' | 'open' | 'think';

/** A sequence that waits for a slot, as the scheduler sees it. */
export interface WaitingView {
  readonly id: string;
  readonly outlook: Outlook;
  /** When it came, in milliseconds of a monotonic clock. */
  readonly arrivedMs: number;
  /** Lower goes first, as in vLLM. */
  readonly priority: number;
}

/** A sequence in a slot. */
export interface RunningView {
  readonly id: string;
  /** What it needs next: images encoded, prompt tokens prefilled, or a decode step. */
  readonly phase: 'vision' | 'prefill' | 'decode';
  readonly numTilesLeft: number;
  readonly numPromptTokensLeft: number;
  /** It thinks, or will: it is not at its answer yet. */
  readonly thinks: boolean;
  /** Tokens that would have to be computed again if it lost its slot; null where it must not lose it. */
  readonly parkingCost: number | null;
}

export interface AdmissionLimits {
  readonly numSlots: number;
  /** Slots that thinkers may hold while others wait. */
  readonly maxThinkingSeqs: number;
}

export interface StepLimits {
  /** Most prompt tokens prefilled in one step. */
  readonly prefillChunk: number;
  /** Most tiles encoded in one step. */
  readonly tilesPerStep: number;
}

export interface Admission {
  /** Sequence that gives its slot back and waits again. */
  readonly park: string | null;
  /** Sequences that get a slot, in order. */
  readonly admit: readonly string[];
}

export interface PromptPiece {
  readonly id: string;
  readonly numTokens: number;
}

/** What one engine step does, in this order. */
export interface StepPlan {
  readonly vision: { readonly id: string; readonly numTiles: number } | null;
  /** Pieces of prompts, `prefillChunk` tokens together. */
  readonly prefill: readonly PromptPiece[];
  /** Sequences that make one token together. */
  readonly decode: readonly string[];
}

/** One step of priority is worth this long a wait: urgent requests pass others, and nobody is passed for ever. */
const PRIORITY_STEP_MS = 1_000;
/** A request that is known to be short passes those that came at most this long before it. */
const DIRECT_HEAD_START_MS = 2_000;

/**
 * Who gets a slot. Waiting sequences go by priority and age. Those known to think get slots only up to `maxThinkingSeqs`;
 * the rest is kept for direct answers and for those that have yet to choose. Where such a one turns into a thinker
 * beyond that number it goes on, until somebody who may be short waits and no slot is free: then the thinker that has
 * the least to compute again gives its slot back. Pure: no clock, no model.
 */
export function planAdmission(
  waiting: readonly WaitingView[],
  running: readonly RunningView[],
  { numSlots, maxThinkingSeqs }: AdmissionLimits,
): Admission {
  let free = Math.max(0, numSlots - running.length);
  let thinkers = running.filter(({ thinks }) => thinks).length;
  const mayBeShort = waiting.some(({ outlook }) => outlook !== 'think');
  const park = free === 0 && mayBeShort && thinkers > maxThinkingSeqs ? cheapest(running) : null;
  if (park !== null) {
    free++;
    thinkers--;
  }
  const admit: string[] = [];
  for (const { id, outlook } of waiting.toSorted((a, b) => rank(a) - rank(b))) {
    if (free === 0) break;
    if (outlook === 'think' && thinkers >= maxThinkingSeqs) continue;
    admit.push(id);
    free--;
    if (outlook === 'think') thinkers++;
  }
  return { park, admit };
}

function rank({ arrivedMs, priority, outlook }: WaitingView): number {
  const headStart = outlook === 'direct' ? DIRECT_HEAD_START_MS : 0;
  return arrivedMs + priority * PRIORITY_STEP_MS - headStart;
}

/** The thinker that is cheapest to park; the youngest among equals. */
function cheapest(running: readonly RunningView[]): string | null {
  let found: string | null = null;
  let least = Infinity;
  for (const { id, thinks, parkingCost } of running) {
    if (!thinks || parkingCost === null || parkingCost > least) continue;
    found = id;
    least = parkingCost;
  }
  return found;
}

/**
 * What the running sequences do in a step: one piece of image or some pieces of prompts, then a token for every
 * running stream, so that a long prompt delays the others by a bounded amount and a new one is not delayed by them.
 * The oldest unfinished prompt goes on; younger ones that fit whole into half of the step's tokens go with it, so that
 * a short question does not wait behind a long document. Pure: no clock, no model.
 */
export function planStep(running: readonly RunningView[], limits: StepLimits): StepPlan {
  const prompts = running.filter(({ phase }) => phase !== 'decode');
  const [oldest, ...younger] = prompts;
  const prefill: PromptPiece[] = [];
  let left = limits.prefillChunk;
  const kept = Math.ceil(limits.prefillChunk / 2);
  for (const { id, phase, numPromptTokensLeft } of oldest === undefined ? [] : younger) {
    if (phase !== 'prefill' || numPromptTokensLeft > left - kept) continue;
    prefill.push({ id, numTokens: numPromptTokensLeft });
    left -= numPromptTokensLeft;
  }
  if (oldest?.phase === 'prefill') {
    // Whoever came first goes first where that delays nobody: what a prompt shares with an older one is found there.
    const whole = oldest.numPromptTokensLeft <= left;
    const piece = { id: oldest.id, numTokens: Math.min(left, oldest.numPromptTokensLeft) };
    if (whole) prefill.unshift(piece);
    else prefill.push(piece);
  }
  return {
    vision:
      oldest?.phase === 'vision'
        ? { id: oldest.id, numTiles: Math.min(limits.tilesPerStep, oldest.numTilesLeft) }
        : null,
    prefill: thinkersLast(prefill, running),
    decode: running.filter(({ phase }) => phase === 'decode').map(({ id }) => id),
  };
}

/**
 * Prompts that a step takes on after those it planned, before its tokens: of those who may answer directly, whole, as
 * many as fit. Pure.
 * @param numTokens what is left of the step's prompt tokens
 */
export function planLatecomers(running: readonly RunningView[], numTokens: number): PromptPiece[] {
  const pieces: PromptPiece[] = [];
  let left = numTokens;
  for (const { id, phase, thinks, numPromptTokensLeft } of running) {
    if (phase !== 'prefill' || thinks || numPromptTokensLeft > left) continue;
    pieces.push({ id, numTokens: numPromptTokensLeft });
    left -= numPromptTokensLeft;
  }
  return pieces;
}

export function tokensOf(pieces: readonly PromptPiece[]): number {
  return pieces.reduce((sum, { numTokens }) => sum + numTokens, 0);
}

/** A thought may begin a piece later: who is known to think goes behind those who may answer directly. */
function thinkersLast(
  pieces: readonly PromptPiece[],
  running: readonly RunningView[],
): PromptPiece[] {
  const thinkers = new Set(running.filter(({ thinks }) => thinks).map(({ id }) => id));
  const thinks = ({ id }: PromptPiece): boolean => thinkers.has(id);
  return [...pieces.filter((piece) => !thinks(piece)), ...pieces.filter(thinks)];
}

/** Slots for thinkers unless the operator says otherwise: one in four is kept for direct answers. */
export function defaultMaxThinkingSeqs(numSlots: number): number {
  return numSlots - Math.floor(numSlots / 4);
}
