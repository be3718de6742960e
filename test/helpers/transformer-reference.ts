/**
 * Qwen3 and the SigLIP tower with R-4B's projector in plain double-precision loops, written from the definitions and
 * sharing nothing with the converter. Matrices are arrays of rows; weights go by canonical name.
 */
import type { TextShapeOptions, VisionShapeOptions } from './random-checkpoint.ts';
import type { TensorToWrite } from './safetensors-writer.ts';

export type Weights = ReadonlyMap<string, TensorToWrite>;
type Rows = number[][];

/** Logits at every position of one sequence. */
export function referenceLogits(
  weights: Weights,
  text: TextShapeOptions,
  tokenIds: readonly number[],
): Rows {
  const table = matrix(weights, 'text.embed_tokens.weight');
  let stream = tokenIds.map((id) => [...table[id]!]);
  for (let layer = 0; layer < text.numLayers; layer++) {
    stream = decoderLayer(weights, text, { layer, stream });
  }
  const head = weights.has('head.weight') ? matrix(weights, 'head.weight') : table;
  const gain = vector(weights, 'text.norm.weight');
  return stream.map((row) => multiply(head, rmsNorm(row, gain)));
}

/** The stream after one decoder layer. */
export function decoderLayer(
  weights: Weights,
  text: TextShapeOptions,
  { layer, stream }: { layer: number; stream: Rows },
): Rows {
  const at = `text.layers.${layer}`;
  const project = (leaf: string, rows: Rows): Rows => {
    const weight = matrix(weights, `${at}.${leaf}.weight`);
    return rows.map((row) => multiply(weight, row));
  };
  const normed = (leaf: string, rows: Rows): Rows => {
    const gain = vector(weights, `${at}.${leaf}.weight`);
    return rows.map((row) => rmsNorm(row, gain));
  };
  const input = normed('input_layernorm', stream);
  const heads = (leaf: string, numHeads: number): number[][][] => {
    const gain = vector(weights, `${at}.self_attn.${leaf}_norm.weight`);
    return project(`self_attn.${leaf}_proj`, input).map((row, position) =>
      split(row, numHeads).map((head) => rotate(rmsNorm(head, gain), position, text.ropeTheta)),
    );
  };
  const queries = heads('q', text.numHeads);
  const keys = heads('k', text.numKvHeads);
  const values = project('self_attn.v_proj', input).map((row) => split(row, text.numKvHeads));
  const group = text.numHeads / text.numKvHeads;
  const attended = queries.map((row, position) =>
    row.flatMap((query, head) => {
      const shared = Math.floor(head / group);
      const past = Array.from({ length: position + 1 }, (_, i) => i);
      const scores = past.map((i) => dot(query, keys[i]![shared]!) / Math.sqrt(text.headDim));
      return mix(
        softmax(scores),
        past.map((i) => values[i]![shared]!),
      );
    }),
  );
  const middle = addRows(stream, project('self_attn.o_proj', attended));
  const second = normed('post_attention_layernorm', middle);
  const gate = project('mlp.gate_proj', second);
  const up = project('mlp.up_proj', second);
  const inner = gate.map((row, i) => row.map((g, j) => (g / (1 + Math.exp(-g))) * up[i]![j]!));
  return addRows(middle, project('mlp.down_proj', inner));
}

/** Features of one uint8 [side, side, 3] tile, normalised with mean and deviation 0.5: [patches][text hidden]. */
export function referenceFeatures(
  weights: Weights,
  vision: VisionShapeOptions,
  tile: Uint8Array,
): Rows {
  let hidden = patches(weights, vision, tile);
  for (let layer = 0; layer < vision.numLayers; layer++) {
    hidden = visionLayer(weights, vision, { layer, hidden });
  }
  const normed = layerNormRows(weights, 'projector.pre_norm', hidden);
  const inner = biased(weights, 'projector.linear_1', normed).map((row) => row.map(geluExact));
  return biased(weights, 'projector.linear_2', inner);
}

function patches(weights: Weights, vision: VisionShapeOptions, tile: Uint8Array): Rows {
  const { imageSize, patchSize, hiddenSize } = vision;
  const perSide = Math.floor(imageSize / patchSize);
  const kernel = vector(weights, 'vision.embeddings.patch_embedding.weight');
  const bias = vector(weights, 'vision.embeddings.patch_embedding.bias');
  const positions = matrix(weights, 'vision.embeddings.position_embedding.weight');
  return Array.from({ length: perSide ** 2 }, (_, patch) => {
    const top = Math.floor(patch / perSide) * patchSize;
    const left = (patch % perSide) * patchSize;
    return Array.from({ length: hiddenSize }, (_, unit) => {
      let sum = bias[unit]! + positions[patch]![unit]!;
      for (let i = 0; i < 3 * patchSize ** 2; i++) {
        const channel = Math.floor(i / patchSize ** 2);
        const y = top + (Math.floor(i / patchSize) % patchSize);
        const x = left + (i % patchSize);
        const pixel = tile[(y * imageSize + x) * 3 + channel]! / 255;
        sum += kernel[unit * 3 * patchSize ** 2 + i]! * ((pixel - 0.5) / 0.5);
      }
      return sum;
    });
  });
}

function visionLayer(
  weights: Weights,
  vision: VisionShapeOptions,
  { layer, hidden }: { layer: number; hidden: Rows },
): Rows {
  const at = `vision.encoder.layers.${layer}`;
  const input = layerNormRows(weights, `${at}.layer_norm1`, hidden);
  const heads = (leaf: string): number[][][] =>
    biased(weights, `${at}.self_attn.${leaf}`, input).map((row) => split(row, vision.numHeads));
  const [queries, keys, values] = [heads('q_proj'), heads('k_proj'), heads('v_proj')];
  const scale = Math.sqrt(vision.hiddenSize / vision.numHeads);
  const attended = queries.map((row) =>
    row.flatMap((query, head) => {
      const scores = keys.map((key) => dot(query, key[head]!) / scale);
      return mix(
        softmax(scores),
        values.map((value) => value[head]!),
      );
    }),
  );
  const middle = addRows(hidden, biased(weights, `${at}.self_attn.out_proj`, attended));
  const second = layerNormRows(weights, `${at}.layer_norm2`, middle);
  const inner = biased(weights, `${at}.mlp.fc1`, second).map((row) => row.map(geluTanh));
  return addRows(middle, biased(weights, `${at}.mlp.fc2`, inner));
}

/** ‖a − b‖ / ‖b‖. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  return a.length === b.length ? Math.sqrt(difference / norm) : Number.NaN;
}

function vector(weights: Weights, name: string): Float32Array {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new Error(`There is no weight ${name}.`);
  return tensor.values;
}

function matrix(weights: Weights, name: string): Rows {
  const values = vector(weights, name);
  const columns = weights.get(name)!.shape[1]!;
  return Array.from({ length: values.length / columns }, (_, row) => [
    ...values.subarray(row * columns, (row + 1) * columns),
  ]);
}

function biased(weights: Weights, name: string, rows: Rows): Rows {
  const weight = matrix(weights, `${name}.weight`);
  const bias = vector(weights, `${name}.bias`);
  return rows.map((row) => multiply(weight, row).map((value, i) => value + bias[i]!));
}

function layerNormRows(weights: Weights, name: string, rows: Rows): Rows {
  const gain = vector(weights, `${name}.weight`);
  const bias = vector(weights, `${name}.bias`);
  return rows.map((row) => {
    const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
    return row.map(
      (value, i) => ((value - mean) / Math.sqrt(variance + 1e-6)) * gain[i]! + bias[i]!,
    );
  });
}

function rmsNorm(row: readonly number[], gain: Float32Array): number[] {
  const scale = 1 / Math.sqrt(dot(row, row) / row.length + 1e-6);
  return row.map((value, i) => value * scale * gain[i]!);
}

function rotate(head: readonly number[], position: number, theta: number): number[] {
  const half = head.length / 2;
  return head.map((value, i) => {
    const angle = position / theta ** ((2 * (i % half)) / head.length);
    const partner = i < half ? -head[i + half]! : head[i - half]!;
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

function split(row: readonly number[], parts: number): number[][] {
  const size = row.length / parts;
  return Array.from({ length: parts }, (_, i) => row.slice(i * size, (i + 1) * size));
}

function multiply(weight: Rows, row: readonly number[]): number[] {
  return weight.map((line) => dot(line, row));
}

function mix(shares: readonly number[], rows: readonly (readonly number[])[]): number[] {
  return rows[0]!.map((_, i) => shares.reduce((sum, share, j) => sum + share * rows[j]![i]!, 0));
}

function addRows(a: Rows, b: Rows): Rows {
  return a.map((row, i) => row.map((value, j) => value + b[i]![j]!));
}

function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

function geluExact(x: number): number {
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** Taylor series; converges quickly for the magnitudes tests use, and is 1 beyond them. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
