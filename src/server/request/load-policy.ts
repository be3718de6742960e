/** How busy the engine is. */
export interface Load {
  readonly numWaiting: number;
  /** Tokens held in the KV cache ÷ tokens it can hold. */
  readonly kvCacheUsage: number;
}

export interface LoadPolicyOptions {
  /** Largest bias against thinking, in logits. */
  readonly maxBias: number;
  readonly numSlots: number;
}

/** Waiting requests per slot that count as a full queue. */
const FULL_QUEUE_PER_SLOT = 2;
/** KV cache usage from which on it counts as pressure. */
const BUSY_CACHE = 0.7;
const NUM_STEPS = 4;
/** How far the pressure must fall below a step before the bias steps back. */
const HYSTERESIS = 0.15;

/**
 * Turns load into a bias against thinking, within [-maxBias, 0]. The bias moves in steps with hysteresis, so that a load
 * near a step does not flip it with every request. Keeps its present step and no clock.
 */
export class LoadPolicy {
  readonly #options: LoadPolicyOptions;
  #step = 0;

  constructor(options: LoadPolicyOptions) {
    this.#options = options;
  }

  /** @returns the bias for a request that arrives at this load, in logits; 0 or less */
  bias(load: Load): number {
    const now = pressure(load, this.#options.numSlots);
    while (this.#step < NUM_STEPS && now >= (this.#step + 1) / NUM_STEPS) this.#step++;
    while (this.#step > 0 && now < this.#step / NUM_STEPS - HYSTERESIS) this.#step--;
    return this.#step === 0 ? 0 : (-this.#options.maxBias * this.#step) / NUM_STEPS;
  }
}

/** 0 for idle, 1 for a full queue or cache; the tighter of the two counts. */
function pressure({ numWaiting, kvCacheUsage }: Load, numSlots: number): number {
  const queue = numWaiting / (FULL_QUEUE_PER_SLOT * numSlots);
  const cache = (kvCacheUsage - BUSY_CACHE) / (1 - BUSY_CACHE);
  return Math.min(1, Math.max(0, queue, cache));
}
