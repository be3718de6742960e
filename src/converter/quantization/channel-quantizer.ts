/**
 * Symmetric per-channel int8 quantisation: one scale per row (output channel), `q = round(w / scale)` in −127 … 127,
 * `scale = max |w| / 127`. An integer GEMM needs it: a sum over a row stays an integer only with one scale per row.
 */
const HIGHEST = 127;

export interface QuantizedRows {
  /** int8 [rows, columns] */
  readonly values: Int8Array;
  /** float32 [rows] */
  readonly scales: Float32Array;
}

/** @param weights [rows, columns] */
export function quantizeWholeRows(weights: Float32Array, columns: number): QuantizedRows {
  const rows = weights.length / columns;
  const values = new Int8Array(weights.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const first = row * columns;
    let largest = 0;
    for (let i = first; i < first + columns; i++)
      largest = Math.max(largest, Math.abs(weights[i]!));
    scales[row] = largest / HIGHEST;
    if (scales[row] === 0) continue;
    const inverse = HIGHEST / largest;
    for (let i = first; i < first + columns; i++) values[i] = Math.round(weights[i]! * inverse);
  }
  return { values, scales };
}

/** Dequantises rows: the weights that the graph computes with. */
export function dequantizeWholeRows(
  { values, scales }: QuantizedRows,
  columns: number,
): Float32Array {
  return Float32Array.from(values, (value, i) => value * scales[Math.floor(i / columns)]!);
}
