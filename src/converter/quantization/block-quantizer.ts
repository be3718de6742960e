/**
 * Symmetric block-wise quantisation in the layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized. A row of weights
 * is divided into blocks of 32, 64 or 128. A block stores `q = round(w / scale)` as unsigned values with a zero point of 8
 * (4 bits) or 128 (8 bits), and one float32 scale. The first of two 4-bit values is in the low half of the byte.
 *
 * Choice of the scale. The element of largest magnitude is mapped to the far end of the asymmetric range (−8 or −128), as
 * in llama.cpp's Q4_0. So the scale may be negative, and all levels are used; of two opposite elements of the same
 * magnitude the positive one counts. With 4 bits the quantiser tries several such placements (as llama.cpp's
 * make_qx_quants does). For the integers of each placement, the best scale in least squares is `Σwq / Σq²`. The placement
 * with the smallest squared error `Σw² − (Σwq)² / Σq²` wins, so the quantiser maximises the last term. The first of
 * equals wins.
 */
import type { BlockSize } from '../../package/manifest.ts';

export type Bits = 4 | 8;

export interface BlockFormat {
  readonly bits: Bits;
  readonly blockSize: BlockSize;
}

/**
 * Candidate levels of the largest element, below zero. A level outside the range clips that element in favour of the
 * others in the block.
 */
export function placements({ bits, blockSize }: BlockFormat): readonly number[] {
  if (bits === 8) return [128];
  // In a large block the largest element is further from the others, so clipping pays more often.
  return blockSize === 32 ? [8, 7.2, 8.5] : [8, 7.2, 8.5, 9, 9.5, 10];
}

/** Size of a quantised [rows, columns] matrix. A short last block is padded with zeros. */
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

/** Dequantises rows: the weights that the graph computes with. */
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

/** Quantises block by block. `write` runs once per block, so it allocates nothing. */
class BlockWriter {
  readonly #weights: Float32Array;
  readonly #bits: Bits;
  readonly #blockSize: number;
  readonly #values: Uint8Array;
  /** Candidates, and reciprocal scale, score and fitted scale of the best one so far. */
  readonly #placements: readonly number[];
  readonly #best = new Float64Array(3);

  /** @param values is filled with zero points, which pad a short block */
  constructor(weights: Float32Array, format: BlockFormat, values: Uint8Array) {
    this.#weights = weights;
    this.#bits = format.bits;
    this.#blockSize = format.blockSize;
    this.#values = values;
    this.#placements = placements(format);
  }

  /** Quantises the weights start … end − 1 as one block. @returns its scale */
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

  /** Rounds with a candidate, fits the scale to the integers, and keeps the candidate if its error is the smallest. */
  #consider(inverse: number, start: number, end: number): void {
    // The reciprocal of a denormal scale overflows; such weights may be rounded to zero.
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
