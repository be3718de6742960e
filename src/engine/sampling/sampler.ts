import { type Candidates, selectCandidates } from './candidates.ts';
import { argmax } from './logprobs.ts';
import type { SamplingParams } from './params.ts';
import { SeededRandom } from './random.ts';

/** Samples the tokens of one sequence: applies penalties and bias, then takes the best or draws from the candidates. */
export class Sampler {
  readonly #params: SamplingParams;
  readonly #random: SeededRandom;
  readonly #prompt: ReadonlySet<number>;
  /** Token id -> occurrences in the output. */
  readonly #output = new Map<number, number>();

  /** @param promptTokenIds read only with a repetition penalty */
  constructor(params: SamplingParams, promptTokenIds: Iterable<number>) {
    this.#params = params;
    this.#random = new SeededRandom(params.seed);
    this.#prompt = new Set(params.repetitionPenalty === 1 ? [] : promptTokenIds);
  }

  /**
   * @param logits float32 [vocabSize], raw; left unchanged
   * @returns id of the sampled token
   * @throws Error when no logit is a finite number, as after an overflow in the model
   */
  sample(logits: Float32Array): number {
    const adjusted = this.#adjust(logits);
    const best = argmax(adjusted);
    if (!Number.isFinite(adjusted[best])) {
      throw new Error(`The largest logit must be a finite number, got ${adjusted[best]}.`);
    }
    if (this.#params.temperature === 0) return best;
    return draw(selectCandidates(adjusted, this.#params), this.#random.next());
  }

  /**
   * Samples from several versions of one position's logits with one draw, so that the outcomes can be compared.
   * @param group orders the tokens on the cumulative distribution. A version that makes a group more likely never moves
   *   a draw out of that group while the other groups keep their relative weights.
   * @returns a token id per version
   */
  sampleTogether(versions: readonly Float32Array[], group: (tokenId: number) => number): number[] {
    if (this.#params.temperature === 0) return versions.map((logits) => this.sample(logits));
    const uniform = this.#random.next();
    return versions.map((logits) => {
      const candidates = selectCandidates(this.#adjust(logits), this.#params);
      return draw(grouped(candidates, group), uniform);
    });
  }

  /** Counts a token of the output for the penalties, sampled or forced. */
  accept(tokenId: number): void {
    this.#output.set(tokenId, (this.#output.get(tokenId) ?? 0) + 1);
  }

  /** The logits after penalties and bias: a copy if any applies. */
  #adjust(raw: Float32Array): Float32Array {
    const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = this.#params;
    const countsOutput = presencePenalty !== 0 || frequencyPenalty !== 0;
    if (repetitionPenalty === 1 && !countsOutput && logitBias.size === 0) return raw;
    const logits = raw.slice();
    if (repetitionPenalty !== 1) this.#penaliseRepetition(logits);
    if (countsOutput) this.#penaliseOutput(logits);
    for (const [id, bias] of logitBias) logits[id] = logits[id]! + bias;
    return logits;
  }

  /** Keskar et al. 2019 (CTRL): divide positive logits, multiply negative ones. */
  #penaliseRepetition(logits: Float32Array): void {
    const { repetitionPenalty } = this.#params;
    for (const id of new Set([...this.#prompt, ...this.#output.keys()])) {
      const value = logits[id]!;
      logits[id] = value > 0 ? value / repetitionPenalty : value * repetitionPenalty;
    }
  }

  #penaliseOutput(logits: Float32Array): void {
    const { presencePenalty, frequencyPenalty } = this.#params;
    for (const [id, times] of this.#output) {
      logits[id] = logits[id]! - presencePenalty - frequencyPenalty * times;
    }
  }
}

function grouped({ ids, weights, total }: Candidates, group: (id: number) => number): Candidates {
  const order = Array.from(ids, (id, index) => ({ index, group: group(id) }));
  order.sort((a, b) => a.group - b.group || a.index - b.index);
  return {
    ids: order.map(({ index }) => ids[index]!),
    weights: Float64Array.from(order, ({ index }) => weights[index]!),
    total,
  };
}

/** Inverse of the cumulative distribution at `uniform`. */
function draw({ ids, weights, total }: Candidates, uniform: number): number {
  let left = uniform * total;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    last = i;
    left -= weights[i]!;
    if (left < 0) break;
  }
  return ids[last]!;
}
