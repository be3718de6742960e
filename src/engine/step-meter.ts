import type { EngineTotals } from './generation.ts';

/** Adds up what the engine's steps do. */
export class StepMeter {
  readonly #totals = { steps: 0, stepMs: 0, decodedTokens: 0, parked: 0, aborted: 0 };

  get totals(): Pick<EngineTotals, 'steps' | 'stepMs' | 'decodedTokens' | 'parked' | 'aborted'> {
    return this.#totals;
  }

  /** @param numDecoded sequences that stood in the step's decode batch */
  step(elapsedMs: number, numDecoded: number): void {
    this.#totals.steps++;
    this.#totals.stepMs += elapsedMs;
    this.#totals.decodedTokens += numDecoded;
  }

  park(): void {
    this.#totals.parked++;
  }

  abort(): void {
    this.#totals.aborted++;
  }
}
