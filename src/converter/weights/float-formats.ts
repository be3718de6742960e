/** Conversion of bfloat16 and IEEE half precision in bit arithmetic (Node 20 has no Float16Array). */
const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);
let halfTable: Float32Array | undefined;

/** Widens bfloat16 bits to float32, exactly. */
export function bfloat16ToFloat32(bits: Uint16Array, out: Float32Array): void {
  const outBits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) outBits[i] = bits[i]! << 16;
}

/** Widens half-precision bits to float32, exactly. */
export function float16ToFloat32(bits: Uint16Array, out: Float32Array): void {
  halfTable ??= Float32Array.from({ length: 65_536 }, (_, half) => halfValue(half));
  for (let i = 0; i < bits.length; i++) out[i] = halfTable[bits[i]!]!;
}

function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/**
 * Narrows float32 to half precision, rounding to nearest, ties to even.
 * @returns how many finite values became infinite.
 */
export function float32ToFloat16(values: Float32Array, out: Uint16Array): number {
  let overflows = 0;
  for (let i = 0; i < values.length; i++) {
    scratch[0] = values[i]!;
    const half = halfBits(scratchBits[0]!);
    out[i] = half;
    if ((half & 0x7fff) === 0x7c00 && Number.isFinite(values[i])) overflows += 1;
  }
  return overflows;
}

function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 is the smallest value that rounds to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal: drop 13 bits. Adding the lowest bit of the result rounds ties to even.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign;
  // Subnormal: shift the mantissa with its hidden bit, then round ties to even.
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const half = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (rest > middle || (rest === middle && (half & 1) === 1) ? half + 1 : half);
}
