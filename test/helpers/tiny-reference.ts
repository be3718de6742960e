import type { TinyModel } from './tiny-model.ts';

/**
 * Computes the tiny model in plain double-precision loops, one sequence at a time and every prompt from scratch. It is
 * written from the definition of attention and shares no code with the runtime.
 */

/** Embedding rows of token ids, float [numTokens][hiddenSize]. */
export function embedTokens(model: TinyModel, tokenIds: ArrayLike<number>): number[][] {
  const { hiddenSize } = model.shape;
  return Array.from(tokenIds, (id) => [
    ...model.embeddings.subarray(id * hiddenSize, (id + 1) * hiddenSize),
  ]);
}

/** Maps a token's keys or values of all heads to what the KV cache stores. */
export type Stored = (values: number[], layer: number, kind: 'key' | 'value') => number[];

/** Returns the logits after the last row. @param stored the stored form of every token that attention reads */
export function referenceLogits(
  model: TinyModel,
  rows: readonly (readonly number[])[],
  stored: Stored = (values) => values,
): number[] {
  let hidden = rows.map((row) => [...row]);
  for (const [index, layer] of model.layers.entries()) {
    const { numHeads, numKvHeads, headDim } = model.shape;
    const queries = hidden.map((row, at) => rotate(model, multiply(row, layer.query), at));
    const keys = hidden.map((row, at) =>
      stored(rotate(model, multiply(row, layer.key), at), index, 'key'),
    );
    const values = hidden.map((row) => stored(multiply(row, layer.value), index, 'value'));
    hidden = hidden.map((row, at) => {
      const attended = Array.from({ length: numHeads }, (_, head) => {
        const from = Math.floor((head * numKvHeads) / numHeads) * headDim;
        const query = queries[at]!.slice(head * headDim, (head + 1) * headDim);
        const past = keys.slice(0, at + 1).map((key) => key.slice(from, from + headDim));
        const weights = softmax(past.map((key) => dot(query, key) / Math.sqrt(headDim)));
        return Array.from({ length: headDim }, (_, dim) =>
          weights.reduce((sum, weight, index) => sum + weight * values[index]![from + dim]!, 0),
        );
      });
      const projected = multiply(attended.flat(), layer.output);
      return row.map((value, dim) => value + projected[dim]!);
    });
  }
  return multiply(hidden.at(-1)!, model.head);
}

/** Features of one tile, uint8 [tileSize, tileSize, 3] -> [patches][hiddenSize]. */
export function referenceFeatures(model: TinyModel, tile: Uint8Array): number[][] {
  const { tileSize, patchSize, patchesPerSide, hiddenSize } = model.shape;
  const features: number[][] = [];
  for (let row = 0; row < patchesPerSide; row += 1) {
    for (let column = 0; column < patchesPerSide; column += 1) {
      const feature = Array.from({ length: hiddenSize }, (_, channel) => {
        let sum = 0;
        for (let plane = 0; plane < 3; plane += 1) {
          for (let y = 0; y < patchSize; y += 1) {
            for (let x = 0; x < patchSize; x += 1) {
              const weight = ((channel * 3 + plane) * patchSize + y) * patchSize + x;
              const pixel = ((row * patchSize + y) * tileSize + column * patchSize + x) * 3 + plane;
              sum += model.patch[weight]! * tile[pixel]!;
            }
          }
        }
        return sum;
      });
      features.push(feature);
    }
  }
  return features;
}

/** Rotary positions, half-rotation form, on every head of a row. */
function rotate(model: TinyModel, row: readonly number[], position: number): number[] {
  const { headDim } = model.shape;
  const half = headDim / 2;
  return row.map((value, index) => {
    const dim = index % headDim;
    const angle = position * half + (dim % half);
    const partner = dim < half ? -row[index + half]! : row[index - half]!;
    return value * model.cos[angle]! + partner * model.sin[angle]!;
  });
}

function multiply(row: readonly number[], matrix: Float32Array): number[] {
  const columns = matrix.length / row.length;
  return Array.from({ length: columns }, (_, column) =>
    row.reduce((sum, value, index) => sum + value * matrix[index * columns + column]!, 0),
  );
}

function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, value, index) => sum + value * right[index]!, 0);
}

function softmax(values: readonly number[]): number[] {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
