/**
 * Symmetric block quantisation in the layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized: a row of weights
 * is cut into blocks of 32, 64 or 128, a block stores `q = round(w / scale)` as unsigned values around a zero point of 8 (4 bits)
 * or 128 (8 bits), the earlier of two 4-bit values in the low half of the byte, and one float32 scale.
 *
 * Choice of the scale. The element of largest magnitude, sign included, is put on the far end of the asymmetric range
 * (−8 or −128), as llama.cpp's Q4_0 does, so that the scale may be negative and no level is wasted (of two
 * opposite elements of that magnitude the positive one counts). For 4 bits several
 * such placements are tried (llama.cpp's make_qx_quants does the same), and for the integers each of them gives, the
 * scale that is best in least squares is `Σwq / Σq²`. The candidate with the smallest squared error wins; the error is
 * `Σw² − (Σwq)² / Σq²`, so it is enough to maximise the last term. The first of equals wins.
 */
import type { BlockSize } from '../../package/manifest.ts';

export type Bits = 4 | 8;

export interface BlockFormat {
  readonly bits: Bits;
  readonly blockSize: BlockSize;
}

/**
 * Where the largest element may fall, in levels below zero. Beyond the end of the range it is clipped, in favour of
 * the block's other elements.
 */
export function placements({ bits, blockSize }: BlockFormat): readonly number[] {
  if (bits === 8) return [128];
  // In a large block the largest element lies further out, and clipping it pays more often.
  return blockSize === 32 ? [8, 7.2, 8.5] : [8, 7.2, 8.5, 9, 9.5, 10];
}

/** Bytes of a quantised [rows, columns] matrix, and its number of scales. A short last block is padded with zeros. */
export function quantizedSize(
  rows: number,
  columns: number,
  { bits, blockSize }: BlockFormat,
): { valueBytes: number; numScales: number } {
  const numScales = rows * Math.ceil(columns / blockSize);
  return { valueBytes: (numScales * blockSize * bits) / 8, numScales };
}

/**
 * Quantises whole rows.
 * @param weights [rows, columns]
 * @returns values [rows, blocks, blockSize·bits/8] and scales [rows, blocks]
 */
export function quantizeRows(
  weights: Float32Array,
  columns: number,
  format: BlockFormat,
): { values: Uint8Array; scales: Float32Array } {
  const { bits, blockSize } = format;
  const rows = weights.length / columns;
  const { valueBytes, numScales } = quantizedSize(rows, columns, format);
  const values = new Uint8Array(valueBytes).fill(bits === 4 ? 0x88 : 0x80);
  const scales = new Float32Array(numScales);
  const blocks = new BlockWriter(weights, format, values);
  for (let row = 0, block = 0; row < rows; row++) {
    const rowEnd = (row + 1) * columns;
    for (let start = row * columns; start < rowEnd; start += blockSize, block++) {
      scales[block] = blocks.write(block, start, Math.min(start + blockSize, rowEnd));
    }
  }
  return { values, scales };
}

/** Turns quantised rows back into weights; what the graph computes with. */
export function dequantizeRows(
  { values, scales }: { values: Uint8Array; scales: Float32Array },
  columns: number,
  { bits, blockSize }: BlockFormat,
): Float32Array {
  const blocksPerRow = Math.ceil(columns / blockSize);
  const shift = Math.log2(blockSize);
  const rows = scales.length / blocksPerRow;
  const out = new Float32Array(rows * columns);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i++) {
      const block = row * blocksPerRow + (column >> shift);
      const at = block * blockSize + (column & (blockSize - 1));
      const level =
        bits === 8 ? values[at]! - 128 : ((values[at >> 1]! >> ((at & 1) * 4)) & 15) - 8;
      out[i] = level * scales[block]!;
    }
  }
  return out;
}

/** Quantises one block after the other. It runs once per few weights, so it allocates nothing. */
class BlockWriter {
  readonly #weights: Float32Array;
  readonly #bits: Bits;
  readonly #blockSize: number;
  readonly #values: Uint8Array;
  /** The scale's candidates, and the reciprocal, score and fitted scale of the best so far. */
  readonly #placements: readonly number[];
  readonly #best = new Float64Array(3);

  /** @param values holds zero points, which pad a short block */
  constructor(weights: Float32Array, format: BlockFormat, values: Uint8Array) {
    this.#weights = weights;
    this.#bits = format.bits;
    this.#blockSize = format.blockSize;
    this.#values = values;
    this.#placements = placements(format);
  }

  /** Writes the weights `start … end` as a block. @returns its scale */
  write(block: number, start: number, end: number): number {
    this.#best.fill(0);
    const extreme = this.#largestMagnitude(start, end);
    if (extreme === 0) return 0;
    for (const placement of this.#placements) this.#consider(-placement / extreme, start, end);
    const inverse = this.#best[0]!;
    if (this.#bits === 4) this.#write4(block * (this.#blockSize / 2), start, end, inverse);
    else this.#write8(block * this.#blockSize, start, end, inverse);
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
      const rounded = (weight * inverse + (zero + 0.5)) | 0;
      const level = Math.max(0, Math.min(rounded, 2 * zero - 1)) - zero;
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
  return Math.max(0, Math.min((scaled + 8.5) | 0, 15));
}
