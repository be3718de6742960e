/** State of a request's decision. It tells the expected length: a direct answer is short, thinking is long. */
export type DecisionState = 'undecided' | 'direct' | 'thinking';

/** A waiting sequence, as the scheduler sees it. */
export interface WaitingView {
  readonly id: string;
  readonly decisionState: DecisionState;
  /** Arrival, in milliseconds of a monotonic clock. */
  readonly arrivedMs: number;
  /** Lower runs first, as in vLLM. */
  readonly priority: number;
}

/** A running sequence, as the scheduler sees it. */
export interface RunningView {
  readonly id: string;
  /** Work that it needs next. */
  readonly phase: 'vision' | 'prefill' | 'decode';
  readonly numTilesLeft: number;
  readonly numPromptTokensLeft: number;
  /** It thinks or will think, and is not at its answer yet. */
  readonly thinks: boolean;
  /** Tokens to compute again if it is preempted; null where it must not be preempted. */
  readonly preemptionCost: number | null;
}

export interface AdmissionLimits {
  readonly numSlots: number;
  /** Slots that thinking sequences may hold while others wait. */
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
  readonly preempt: string | null;
  /** Waiting sequences that get a slot, in order. */
  readonly admit: readonly string[];
}

export interface PromptPiece {
  readonly id: string;
  readonly numTokens: number;
}

/** Work of one engine step, in this order. */
export interface StepPlan {
  readonly vision: { readonly id: string; readonly numTiles: number } | null;
  /** Pieces of prompts, at most `prefillChunk` tokens in total. */
  readonly prefill: readonly PromptPiece[];
  /** Sequences in the decode batch: one token each. */
  readonly decode: readonly string[];
}

/** Waiting time that one level of priority is worth. Urgent requests pass others, and no request starves. */
const PRIORITY_STEP_MS = 1_000;
/** A direct answer passes requests that arrived at most this long before it. */
const DIRECT_HEAD_START_MS = 2_000;

/**
 * Decides which waiting sequences get a slot, by priority and age. Thinking sequences get slots only up to
 * `maxThinkingSeqs`; the other slots are for direct answers and undecided sequences. An undecided sequence that starts to
 * think beyond that number keeps running until a sequence that may be short waits and no slot is free. Then the thinking
 * sequence that is cheapest to compute again is preempted. Pure: no clock, no model.
 */
export function planAdmission(
  waiting: readonly WaitingView[],
  running: readonly RunningView[],
  { numSlots, maxThinkingSeqs }: AdmissionLimits,
): Admission {
  let free = Math.max(0, numSlots - running.length);
  let numThinking = running.filter(({ thinks }) => thinks).length;
  const mayBeShort = waiting.some(({ decisionState }) => decisionState !== 'thinking');
  const isOverLimit = free === 0 && mayBeShort && numThinking > maxThinkingSeqs;
  const preempt = isOverLimit ? cheapest(running) : null;
  if (preempt !== null) {
    free++;
    numThinking--;
  }
  const admit: string[] = [];
  for (const { id, decisionState } of waiting.toSorted((a, b) => rank(a) - rank(b))) {
    if (free === 0) break;
    const isThinking = decisionState === 'thinking';
    if (isThinking && numThinking >= maxThinkingSeqs) continue;
    admit.push(id);
    free--;
    if (isThinking) numThinking++;
  }
  return { preempt, admit };
}

function rank({ arrivedMs, priority, decisionState }: WaitingView): number {
  const headStart = decisionState === 'direct' ? DIRECT_HEAD_START_MS : 0;
  return arrivedMs + priority * PRIORITY_STEP_MS - headStart;
}

/** The thinking sequence that is cheapest to preempt; the youngest among equals. */
function cheapest(running: readonly RunningView[]): string | null {
  let found: string | null = null;
  let least = Infinity;
  for (const { id, thinks, preemptionCost } of running) {
    if (!thinks || preemptionCost === null || preemptionCost > least) continue;
    found = id;
    least = preemptionCost;
  }
  return found;
}

/**
 * Plans a step: one piece of an image or some pieces of prompts, then one token for every decoding sequence. So a long
 * prompt delays decoding by a bounded time. The oldest unfinished prompt continues. Younger prompts that fit whole into
 * half of the step's tokens run beside it, so that a short question does not wait behind a long document. Pure: no clock,
 * no model.
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
    // A prompt that ends in this step runs first: younger ones find the prefix they share with it in the cache.
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
    prefill: thinkingLast(prefill, running),
    decode: running.filter(({ phase }) => phase === 'decode').map(({ id }) => id),
  };
}

/**
 * Plans late admission: prompts of sequences that arrived during the step's prefill and run before its decode batch.
 * Takes whole prompts of sequences that may answer directly, as many as fit. Pure.
 * @param numTokens prompt tokens that the step has left
 */
export function planLateAdmission(
  running: readonly RunningView[],
  numTokens: number,
): PromptPiece[] {
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

/** Prompts of thinking sequences run behind prompts of sequences that may answer directly. */
function thinkingLast(
  pieces: readonly PromptPiece[],
  running: readonly RunningView[],
): PromptPiece[] {
  const thinking = new Set(running.filter(({ thinks }) => thinks).map(({ id }) => id));
  const thinks = ({ id }: PromptPiece): boolean => thinking.has(id);
  return [...pieces.filter((piece) => !thinks(piece)), ...pieces.filter(thinks)];
}

/** Default of `maxThinkingSeqs`: one slot in four is reserved for direct answers. */
export function defaultMaxThinkingSeqs(numSlots: number): number {
  return numSlots - Math.floor(numSlots / 4);
}

/** State of a request's deadline. */
export type Deadline =
  /** There is none, or enough time is left. */
  | 'ahead'
  /** Only the time that an answer takes is left: the thinking must end. */
  | 'near'
  | 'passed';

export interface DeadlineView {
  /** Longest time from arrival to the last token; null for no limit. */
  readonly timeoutMs: number | null;
  readonly elapsedMs: number;
  /** Tokens reserved for the answer. */
  readonly answerTokens: number;
  /** Mean over this sequence; null before its second token. */
  readonly msPerToken: number | null;
}

/** State of a deadline. Pure: the time is an argument. */
export function deadlineOf(view: DeadlineView): Deadline {
  const { timeoutMs, elapsedMs, answerTokens, msPerToken } = view;
  if (timeoutMs === null) return 'ahead';
  const leftMs = timeoutMs - elapsedMs;
  if (leftMs <= 0) return 'passed';
  return msPerToken !== null && leftMs <= answerTokens * msPerToken ? 'near' : 'ahead';
}
