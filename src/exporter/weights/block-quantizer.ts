/**
 * Symmetric block quantisation in the layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized: a row of weights
 * is cut into blocks of 32, a block stores `q = round(w / scale)` as unsigned values around a zero point of 8 (4 bits)
 * or 128 (8 bits), the earlier of two 4-bit values in the low half of the byte, and one float32 scale.
 *
 * Choice of the scale. The element of largest magnitude, sign included, is put on the far end of the asymmetric range
 * (−8 or −128), as llama.cpp's Q4_0 does, so that the scale may be negative and no level is wasted (of two
 * opposite elements of that magnitude the positive one counts). For 4 bits several
 * such placements are tried (llama.cpp's make_qx_quants does the same), and for the integers each of them gives, the
 * scale that is best in least squares is `Σwq / Σq²`. The candidate with the smallest squared error wins; the error is
 * `Σw² − (Σwq)² / Σq²`, so it is enough to maximise the last term. The first of equals wins.
 */
export const BLOCK_SIZE = 32;
export type Bits = 4 | 8;

/**
 * Where the largest element may fall, in levels below zero. Beyond the end of the range it is clipped, in favour of
 * the block's other elements.
 */
export const PLACEMENTS: Readonly<Record<Bits, readonly number[]>> = {
  4: [8, 7.2, 8.5],
  8: [128],
};

/** Bytes of a quantised [rows, columns] matrix, and its number of scales. A short last block is padded with zeros. */
export function quantizedSize(
  rows: number,
  columns: number,
  bits: Bits,
): { valueBytes: number; numScales: number } {
  const numScales = rows * Math.ceil(columns / BLOCK_SIZE);
  return { valueBytes: (numScales * BLOCK_SIZE * bits) / 8, numScales };
}

/**
 * Quantises whole rows.
 * @param weights [rows, columns]
 * @returns values [rows, blocks, 32·bits/8] and scales [rows, blocks]
 */
export function quantizeRows(
  weights: Float32Array,
  columns: number,
  bits: Bits,
): { values: Uint8Array; scales: Float32Array } {
  const rows = weights.length / columns;
  const { valueBytes, numScales } = quantizedSize(rows, columns, bits);
  const values = new Uint8Array(valueBytes).fill(bits === 4 ? 0x88 : 0x80);
  const scales = new Float32Array(numScales);
  const blocks = new BlockWriter(weights, bits, values);
  for (let row = 0, block = 0; row < rows; row++) {
    const rowEnd = (row + 1) * columns;
    for (let start = row * columns; start < rowEnd; start += BLOCK_SIZE, block++) {
      scales[block] = blocks.write(block, start, Math.min(start + BLOCK_SIZE, rowEnd));
    }
  }
  return { values, scales };
}

/** Turns quantised rows back into weights; what the graph computes with. */
export function dequantizeRows(
  { values, scales }: { values: Uint8Array; scales: Float32Array },
  columns: number,
  bits: Bits,
): Float32Array {
  const blocksPerRow = Math.ceil(columns / BLOCK_SIZE);
  const rows = scales.length / blocksPerRow;
  const out = new Float32Array(rows * columns);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i++) {
      const block = row * blocksPerRow + (column >> 5);
      const at = block * BLOCK_SIZE + (column & 31);
      const level =
        bits === 8 ? values[at]! - 128 : ((values[at >> 1]! >> ((at & 1) * 4)) & 15) - 8;
      out[i] = level * scales[block]!;
    }
  }
  return out;
}

/** Quantises one block after the other. It runs once per 32 weights, so it allocates nothing. */
class BlockWriter {
  readonly #weights: Float32Array;
  readonly #bits: Bits;
  readonly #values: Uint8Array;
  /** The scale's candidates, and the reciprocal, score and fitted scale of the best so far. */
  readonly #placements: readonly number[];
  readonly #best = new Float64Array(3);

  /** @param values holds zero points, which pad a short block */
  constructor(weights: Float32Array, bits: Bits, values: Uint8Array) {
    this.#weights = weights;
    this.#bits = bits;
    this.#values = values;
    this.#placements = PLACEMENTS[bits];
  }

  /** Writes the weights `start … end` as a block. @returns its scale */
  write(block: number, start: number, end: number): number {
    this.#best.fill(0);
    const extreme = this.#largestMagnitude(start, end);
    if (extreme === 0) return 0;
    for (const placement of this.#placements) this.#consider(-placement / extreme, start, end);
    const inverse = this.#best[0]!;
    if (this.#bits === 4) this.#write4(block * (BLOCK_SIZE / 2), start, end, inverse);
    else this.#write8(block * BLOCK_SIZE, start, end, inverse);
    return this.#best[2]!;
  }

  #largestMagnitude(start: number, end: number): number {
    let highest = 0;
    let lowest = 0;
    for (let i = start; i < end; i++) {
      const weight = this.#weights[i]!;
      if (weight > highest) highest = weight;
      else if (weight < lowest) lowest = weight;
    }
    return highest >= -lowest ? highest : lowest;
  }

  /** Rounds with a candidate, fits the scale to the integers, and keeps it if it explains more of the block. */
  #consider(inverse: number, start: number, end: number): void {
    // Tiny weights: the reciprocal overflows, and rounding them to zero loses nothing.
    if (!Number.isFinite(inverse)) return;
    const zero = this.#bits === 4 ? 8 : 128;
    let sumWq = 0;
    let sumQq = 0;
    for (let i = start; i < end; i++) {
      const weight = this.#weights[i]!;
      // Never below the range: the largest magnitude lands less than one level under it, and truncation lifts that.
      const level = Math.min((weight * inverse + (zero + 0.5)) | 0, 2 * zero - 1) - zero;
      sumWq += weight * level;
      sumQq += level * level;
    }
    const gain = (sumWq * sumWq) / sumQq;
    if (gain <= this.#best[1]!) return;
    this.#best[0] = inverse;
    this.#best[1] = gain;
    this.#best[2] = sumWq / sumQq;
  }

  #write4(at: number, start: number, end: number, inverse: number): void {
    for (let i = start; i < end; i += 2) {
      const low = level4(this.#weights[i]! * inverse);
      const high = i + 1 < end ? level4(this.#weights[i + 1]! * inverse) : 8;
      this.#values[at + ((i - start) >> 1)] = low | (high << 4);
    }
  }

  #write8(at: number, start: number, end: number, inverse: number): void {
    for (let i = start; i < end; i++) {
      const level = (this.#weights[i]! * inverse + 128.5) | 0;
      this.#values[at + i - start] = Math.min(level, 255);
    }
  }
}

function level4(scaled: number): number {
  return Math.min((scaled + 8.5) | 0, 15);
}
