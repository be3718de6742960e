import { argmax, logSumExp } from '../../../engine/sampling/logprobs.ts';

export interface LogitDistance {
  readonly numPositions: number;
  /** ‖l′ − l‖ / ‖l‖ over all positions. */
  readonly relative: number;
  /** Largest |l′ − l| of any token. */
  readonly largest: number;
  /** Mean over the positions of KL(exact ‖ other), in nats. */
  readonly klDivergence: number;
  /** Share of positions whose most likely token is the same. */
  readonly top1Agreement: number;
}

/** Adds up how far whole rows of logits are apart. */
export class LogitDistances {
  #numPositions = 0;
  #difference = 0;
  #norm = 0;
  #largest = 0;
  #divergence = 0;
  #agreements = 0;

  /** @param exact, other float32 [vocabSize] of one position */
  add(exact: Float32Array, other: Float32Array): void {
    const [sum, otherSum] = [logSumExp(exact), logSumExp(other)];
    let divergence = 0;
    for (let id = 0; id < exact.length; id++) {
      const [p, q] = [exact[id]!, other[id]!];
      const difference = q - p;
      this.#difference += difference ** 2;
      this.#norm += p ** 2;
      if (Math.abs(difference) > this.#largest) this.#largest = Math.abs(difference);
      divergence += Math.exp(p - sum) * (p - sum - (q - otherSum));
    }
    this.#numPositions += 1;
    this.#divergence += Math.max(0, divergence);
    if (argmax(exact) === argmax(other)) this.#agreements += 1;
  }

  result(): LogitDistance {
    const numPositions = this.#numPositions;
    const mean = (sum: number): number => (numPositions === 0 ? 0 : sum / numPositions);
    return {
      numPositions,
      relative: this.#norm === 0 ? 0 : Math.sqrt(this.#difference / this.#norm),
      largest: this.#largest,
      klDivergence: mean(this.#divergence),
      top1Agreement: mean(this.#agreements),
    };
  }
}
