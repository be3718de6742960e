/** A sequence as the scheduler sees it. */
export interface WaitingView {
  readonly id: string;
}

export interface RunningView {
  readonly id: string;
  /** What it needs next: pictures encoded, prompt tokens prefilled, or a decode step. */
  readonly phase: 'vision' | 'prefill' | 'decode';
  readonly numTilesLeft: number;
  readonly numPromptTokensLeft: number;
}

export interface SchedulerLimits {
  readonly numSlots: number;
  /** Most prompt tokens prefilled in one step. */
  readonly prefillChunk: number;
  /** Most tiles encoded in one step. */
  readonly tilesPerStep: number;
}

/** What one engine step does, in this order. */
export interface StepPlan {
  /** Sequences that get a slot, first come, first served. */
  readonly admit: readonly string[];
  /** Sequences that make one token together. */
  readonly decode: readonly string[];
  readonly vision: { readonly id: string; readonly numTiles: number } | null;
  readonly prefill: { readonly id: string; readonly numTokens: number } | null;
}

/**
 * Decode first: every running stream gets its token in every step, and one piece of one prompt (some tiles or one
 * chunk) rides along, so that a long prompt delays others by a bounded amount. The oldest unfinished prompt goes
 * first. Pure: no clock, no model.
 */
export function planStep(
  waiting: readonly WaitingView[],
  running: readonly RunningView[],
  limits: SchedulerLimits,
): StepPlan {
  const free = Math.max(0, limits.numSlots - running.length);
  const next = running.find((sequence) => sequence.phase !== 'decode');
  return {
    admit: waiting.slice(0, free).map((sequence) => sequence.id),
    decode: running.filter(({ phase }) => phase === 'decode').map(({ id }) => id),
    vision:
      next?.phase === 'vision'
        ? { id: next.id, numTiles: Math.min(limits.tilesPerStep, next.numTilesLeft) }
        : null,
    prefill:
      next?.phase === 'prefill'
        ? { id: next.id, numTokens: Math.min(limits.prefillChunk, next.numPromptTokensLeft) }
        : null,
  };
}
