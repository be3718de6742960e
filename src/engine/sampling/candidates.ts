import { topIds } from './logprobs.ts';
import type { SamplingParams } from './params.ts';

/** Tokens to draw from, with weights proportional to their probabilities. */
export interface Candidates {
  readonly ids: Int32Array | readonly number[];
  readonly weights: Float64Array;
  readonly total: number;
}

type Filter = Pick<SamplingParams, 'temperature' | 'topK' | 'topP' | 'minP'>;

/** Applies temperature, top-k, top-p and min-p in this order, as the common engines do. */
export function selectCandidates(logits: Float32Array, filter: Filter): Candidates {
  const kept =
    filter.topK > 0 && filter.topK < logits.length
      ? weigh(logits, topIds(logits, filter.topK), filter.temperature)
      : weighAll(logits, filter.temperature);
  const nucleus = filter.topP < 1 ? keepNucleus(kept, filter.topP) : kept;
  return filter.minP > 0 ? keepAtLeast(nucleus, filter.minP) : nucleus;
}

function weigh(logits: Float32Array, ids: readonly number[], temperature: number): Candidates {
  const max = logits[ids[0]!]!;
  const weights = Float64Array.from(ids, (id) => Math.exp((logits[id]! - max) / temperature));
  return { ids, weights, total: sum(weights) };
}

function weighAll(logits: Float32Array, temperature: number): Candidates {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  const ids = new Int32Array(logits.length);
  const weights = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    ids[i] = i;
    const weight = Math.exp((logits[i]! - max) / temperature);
    weights[i] = weight;
    total += weight;
  }
  return { ids, weights, total };
}

const NUM_BINS = 512;
/** Weights below e^-32 of the largest fall into the last bin. */
const BIN_RANGE = 32;

/**
 * The smallest set of most likely tokens whose mass reaches topP. Tokens are counted into bins of log-weight, and only
 * the bin in which the mass is reached is sorted: linear in the vocabulary, with an exact result.
 */
function keepNucleus(from: Candidates, topP: number): Candidates {
  const { weights } = from;
  const { bins, mass } = binByLogWeight(weights);
  const wanted = topP * from.total;
  let reached = 0;
  let edge = 0;
  while (edge < NUM_BINS - 1 && reached + mass[edge]! < wanted) reached += mass[edge++]!;
  const kept: number[] = [];
  const onEdge: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    if (bins[i]! < edge) kept.push(i);
    else if (bins[i] === edge) onEdge.push(i);
  }
  onEdge.sort((a, b) => weights[b]! - weights[a]! || a - b);
  for (const i of onEdge) {
    if (kept.length > 0 && reached >= wanted) break;
    kept.push(i);
    reached += weights[i]!;
  }
  return pick(from, kept);
}

/** Bin 0 holds the largest weights; `mass` is the sum of the weights of each bin. */
function binByLogWeight(weights: Float64Array): { bins: Uint16Array; mass: Float64Array } {
  const largest = maximum(weights);
  const bins = new Uint16Array(weights.length);
  const mass = new Float64Array(NUM_BINS);
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!;
    const depth = weight > 0 ? (Math.log(largest / weight) / BIN_RANGE) * NUM_BINS : NUM_BINS;
    const bin = Math.min(NUM_BINS - 1, Math.floor(depth));
    bins[i] = bin;
    mass[bin] = mass[bin]! + weight;
  }
  return { bins, mass };
}

/** Tokens at least minP times as likely as the most likely. */
function keepAtLeast(from: Candidates, minP: number): Candidates {
  const threshold = minP * maximum(from.weights);
  const kept: number[] = [];
  for (let i = 0; i < from.weights.length; i++) {
    if (from.weights[i]! >= threshold) kept.push(i);
  }
  return pick(from, kept);
}

function pick(from: Candidates, indices: readonly number[]): Candidates {
  const weights = Float64Array.from(indices, (i) => from.weights[i]!);
  return { ids: indices.map((i) => from.ids[i]!), weights, total: sum(weights) };
}

function maximum(values: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > largest) largest = values[i]!;
  return largest;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
