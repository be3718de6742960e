import type { GenerationTiming } from './generation.ts';

/** Times of one sequence on the monotonic clock, in milliseconds. */
export class SequenceClock {
  readonly #now: () => number;
  readonly #arrived: number;
  #admitted: number | null = null;
  #firstToken: number | null = null;
  #firstAnswer: number | null = null;
  visionMs = 0;
  prefillMs = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.#arrived = now();
  }

  get arrivedMs(): number {
    return this.#arrived;
  }

  get elapsedMs(): number {
    return this.#now() - this.#arrived;
  }

  /** Mean time of a token after the first; null before there is a second. */
  msPerToken(numGenerated: number): number | null {
    if (this.#firstToken === null || numGenerated < 2) return null;
    return (this.#now() - this.#firstToken) / (numGenerated - 1);
  }

  admit(): void {
    this.#admitted ??= this.#now();
  }

  token(): void {
    this.#firstToken ??= this.#now();
  }

  answer(): void {
    this.#firstAnswer ??= this.#now();
  }

  read(): GenerationTiming {
    const end = this.#now();
    const since = (time: number | null): number | null =>
      time === null ? null : time - this.#arrived;
    const thinkingFrom = this.#firstToken ?? end;
    return {
      queueMs: (this.#admitted ?? end) - this.#arrived,
      visionMs: this.visionMs,
      prefillMs: this.prefillMs,
      firstTokenMs: since(this.#firstToken),
      firstAnswerMs: since(this.#firstAnswer),
      thinkingMs: (this.#firstAnswer ?? end) - thinkingFrom,
      decodeMs: end - thinkingFrom,
      totalMs: end - this.#arrived,
    };
  }
}
