/** Writes small safetensors files for tests. */
import { writeFileSync } from 'node:fs';

export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export type WrittenDtype = 'F32' | 'F16' | 'BF16';

/** Bytes of a safetensors file. bfloat16 is cut, not rounded: give values that fit. */
export function encodeSafetensors(
  tensors: readonly TensorToWrite[],
  dtype: WrittenDtype = 'F32',
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    const bytes = encodeValues(values, dtype);
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  return withHeader(JSON.stringify(header), Buffer.concat(parts));
}

/** A file with any header text, so that tests can write damaged ones. */
export function withHeader(header: string, data: Uint8Array): Uint8Array {
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8, ' ');
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([prefix, Buffer.from(padded), data]);
}

export function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  dtype: WrittenDtype = 'F32',
): void {
  writeFileSync(path, encodeSafetensors(tensors, dtype));
}

function encodeValues(values: Float32Array, dtype: WrittenDtype): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.slice().buffer);
  const bits = new Uint32Array(values.slice().buffer);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = dtype === 'BF16' ? bits[i]! >>> 16 : halfOf(values[i]!);
  }
  return new Uint8Array(out.buffer);
}

/** Half precision of a normal number, mantissa cut. */
function halfOf(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))));
  const mantissa = Math.trunc((Math.abs(value) / 2 ** exponent - 1) * 1024);
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | mantissa;
}
