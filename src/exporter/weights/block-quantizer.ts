/**
 * Symmetric block quantisation in the layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized: a row of weights
 * is cut into blocks of 32, a block stores `q = round(w / scale)` as unsigned values around a zero point of 8 (4 bits)
 * or 128 (8 bits), the earlier of two 4-bit values in the low half of the byte, and one float32 scale.
 *
 * Choice of the scale. The element of largest magnitude, sign included, is put on the far end of the asymmetric range
 * (−8 or −128), as llama.cpp's Q4_0 does, so that the scale may be negative and no level is wasted. For 4 bits several
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
  const blockBytes = (BLOCK_SIZE * bits) / 8;
  let block = 0;
  for (let row = 0; row < rows; row++) {
    const rowEnd = (row + 1) * columns;
    for (let start = row * columns; start < rowEnd; start += BLOCK_SIZE) {
      const end = Math.min(start + BLOCK_SIZE, rowEnd);
      const { inverse, scale } = chooseScale(weights, start, end, bits);
      scales[block] = scale;
      const place = { start, end, inverse, at: block * blockBytes };
      if (bits === 4) writeBlock4(weights, place, values);
      else writeBlock8(weights, place, values);
      block += 1;
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

const choice = { inverse: 0, scale: 0 };

/** The result is shared between calls: this runs once per 32 weights. */
function chooseScale(
  weights: Float32Array,
  start: number,
  end: number,
  bits: Bits,
): { inverse: number; scale: number } {
  choice.inverse = 0;
  choice.scale = 0;
  const extreme = largestMagnitude(weights, start, end);
  if (extreme === 0) return choice;
  const zero = bits === 4 ? 8 : 128;
  const top = 2 * zero - 1;
  let best = -1;
  for (const placement of PLACEMENTS[bits]) {
    const inverse = -placement / extreme;
    // Tiny weights: their inverse overflows, and rounding them to zero loses nothing.
    if (!Number.isFinite(inverse)) return choice;
    let sumWq = 0;
    let sumQq = 0;
    for (let i = start; i < end; i++) {
      const weight = weights[i]!;
      // Never below the range: the largest magnitude lands less than one level under it, and truncation lifts that.
      let level = (weight * inverse + (zero + 0.5)) | 0;
      level = level > top ? top - zero : level - zero;
      sumWq += weight * level;
      sumQq += level * level;
    }
    const gain = (sumWq * sumWq) / sumQq;
    if (gain > best) {
      best = gain;
      choice.inverse = inverse;
      choice.scale = sumWq / sumQq;
    }
  }
  return choice;
}

function largestMagnitude(weights: Float32Array, start: number, end: number): number {
  let extreme = 0;
  let magnitude = 0;
  for (let i = start; i < end; i++) {
    const weight = weights[i]!;
    const absolute = weight < 0 ? -weight : weight;
    if (absolute > magnitude) {
      magnitude = absolute;
      extreme = weight;
    }
  }
  return extreme;
}

interface Block {
  readonly start: number;
  readonly end: number;
  readonly inverse: number;
  /** Byte its values start at. */
  readonly at: number;
}

/** `values` holds zero points, which pad a short block. */
function writeBlock4(weights: Float32Array, block: Block, values: Uint8Array): void {
  const { start, end, inverse, at } = block;
  for (let i = start; i < end; i += 2) {
    const low = level4(weights[i]! * inverse);
    const high = i + 1 < end ? level4(weights[i + 1]! * inverse) : 8;
    values[at + ((i - start) >> 1)] = low | (high << 4);
  }
}

function level4(scaled: number): number {
  const level = (scaled + 8.5) | 0;
  return Math.min(level, 15);
}

function writeBlock8(weights: Float32Array, block: Block, values: Uint8Array): void {
  const { start, end, inverse, at } = block;
  for (let i = start; i < end; i++) {
    const level = (weights[i]! * inverse + 128.5) | 0;
    values[at + i - start] = Math.min(level, 255);
  }
}
