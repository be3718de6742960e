import { argmax, logSumExp } from '../../../engine/sampling/logprobs.ts';

/** Distances between the values of a reference model and of a variant: quantised weights, fp16, or an int8 KV cache. */

/** Relative error ‖a − b‖ / ‖b‖. */
export function relativeDistance(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  return norm === 0 ? 0 : Math.sqrt(difference / norm);
}

export interface LogitError {
  /** Relative error ‖l_q − l‖ / ‖l‖ over all positions. */
  readonly relative: number;
  /** Mean over the positions of KL(reference ‖ quantised), in nats. */
  readonly klDivergence: number;
  /** Top-1 agreement: share of positions with the same most likely token. */
  readonly top1Agreement: number;
}

/** Compares rows of logits that arrive in slices of the vocabulary, without keeping whole rows. */
export class LogitComparison {
  readonly #rows: RowState[];
  #difference = 0;
  #norm = 0;

  constructor(numRows: number) {
    this.#rows = Array.from({ length: numRows }, () => ({
      reference: newSum(),
      quantized: newSum(),
      expected: 0,
    }));
  }

  /** @param reference, quantized float32 [numRows, width]: the next slice of every row */
  add(reference: Float32Array, quantized: Float32Array): void {
    const width = reference.length / this.#rows.length;
    for (const [row, state] of this.#rows.entries()) {
      for (let i = row * width; i < (row + 1) * width; i++) {
        const [p, q] = [reference[i]!, quantized[i]!];
        this.#difference += (q - p) ** 2;
        this.#norm += p ** 2;
        addLogit(state, p, q);
      }
    }
  }

  result(): LogitError {
    let divergence = 0;
    let agreements = 0;
    for (const { reference, quantized, expected } of this.#rows) {
      // KL = Σ p (log p − log q) = E[p − q] − logsumexp(p) + logsumexp(q)
      divergence += expected / reference.sum - logSum(reference) + logSum(quantized);
      if (reference.argmax === quantized.argmax) agreements += 1;
    }
    return {
      relative: this.#norm === 0 ? 0 : Math.sqrt(this.#difference / this.#norm),
      klDivergence: Math.max(0, divergence / this.#rows.length),
      top1Agreement: agreements / this.#rows.length,
    };
  }
}

/** Σ exp(logit − max) with a running maximum, and the index of the maximum. */
interface RunningSum {
  max: number;
  sum: number;
  count: number;
  argmax: number;
}

interface RowState {
  readonly reference: RunningSum;
  readonly quantized: RunningSum;
  /** Σ exp(reference − max) · (reference − quantised). */
  expected: number;
}

function newSum(): RunningSum {
  return { max: Number.NEGATIVE_INFINITY, sum: 0, count: 0, argmax: -1 };
}

function addLogit(state: RowState, reference: number, quantized: number): void {
  const shrink = raise(state.reference, reference);
  const weight = Math.exp(reference - state.reference.max);
  state.expected = state.expected * shrink + weight * (reference - quantized);
  state.reference.sum += weight;
  raise(state.quantized, quantized);
  state.quantized.sum += Math.exp(quantized - state.quantized.max);
}

/** Updates the maximum. @returns the factor that rescales the sums so far */
function raise(sum: RunningSum, value: number): number {
  const index = sum.count;
  sum.count += 1;
  if (value <= sum.max) return 1;
  const shrink = Math.exp(sum.max - value);
  sum.max = value;
  sum.argmax = index;
  sum.sum *= shrink;
  return shrink;
}

function logSum({ max, sum }: RunningSum): number {
  return max + Math.log(sum);
}

export interface LogitDistance extends LogitError {
  readonly numPositions: number;
  /** Largest difference |l′ − l| of any logit. */
  readonly largest: number;
}

/** Accumulates the distance of whole rows of logits. */
export class LogitDistances {
  #numPositions = 0;
  #difference = 0;
  #norm = 0;
  #largest = 0;
  #divergence = 0;
  #agreements = 0;

  /** @param reference, other float32 [vocabSize] of one position */
  add(reference: Float32Array, other: Float32Array): void {
    const [sum, otherSum] = [logSumExp(reference), logSumExp(other)];
    let divergence = 0;
    for (let id = 0; id < reference.length; id++) {
      const [p, q] = [reference[id]!, other[id]!];
      const difference = q - p;
      this.#difference += difference ** 2;
      this.#norm += p ** 2;
      if (Math.abs(difference) > this.#largest) this.#largest = Math.abs(difference);
      divergence += Math.exp(p - sum) * (p - sum - (q - otherSum));
    }
    this.#numPositions += 1;
    this.#divergence += Math.max(0, divergence);
    if (argmax(reference) === argmax(other)) this.#agreements += 1;
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
