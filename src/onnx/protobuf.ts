/**
 * Reads and writes the protobuf wire format: the four encodings ONNX needs (varint, 32-bit, length-delimited, nested).
 * A message is read as its fields, so that a graph can be changed in places and everything else is written back as it
 * was, unknown fields included. Source: https://protobuf.dev/programming-guides/encoding/.
 */
const VARINT = 0;
const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

export interface ProtoField {
  readonly number: number;
  readonly wireType: number;
  /** The encoded value, without the length of a length-delimited field. */
  readonly content: Uint8Array;
}

/**
 * Reads the fields of a message, in the order they were written. Their contents are views of `bytes`.
 * @throws Error when the bytes are not a message
 */
export function readFields(bytes: Uint8Array): ProtoField[] {
  const fields: ProtoField[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const wireType = tag.value % 8;
    const { start, end } = extent(bytes, tag.end, wireType);
    if (end > bytes.length) throw new Error(`A protobuf field at byte ${at} is cut off.`);
    const content = bytes.subarray(start, end);
    fields.push({ number: Math.floor(tag.value / 8), wireType, content });
    at = end;
  }
  return fields;
}

/** Returns the texts of a repeated string field. */
export function textsOf(fields: readonly ProtoField[], number: number): string[] {
  const utf8 = new TextDecoder();
  return fields
    .filter((field) => field.number === number)
    .map(({ content }) => utf8.decode(content));
}

function extent(
  bytes: Uint8Array,
  start: number,
  wireType: number,
): { readonly start: number; readonly end: number } {
  switch (wireType) {
    case VARINT:
      return { start, end: readVarint(bytes, start).end };
    case FIXED64:
      return { start, end: start + 8 };
    case FIXED32:
      return { start, end: start + 4 };
    case LENGTH_DELIMITED: {
      const length = readVarint(bytes, start);
      return { start: length.end, end: length.end + length.value };
    }
    default:
      throw new Error(`There is no protobuf wire type ${wireType} (byte ${start}).`);
  }
}

/** Values above 2^53 lose their low bits. Tags and lengths are far below. */
function readVarint(bytes: Uint8Array, start: number): { value: number; end: number } {
  let value = 0;
  for (let at = start, factor = 1; at < bytes.length; at += 1, factor *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw new Error(`A protobuf number at byte ${start} is cut off.`);
}

const encoder = new TextEncoder();

export class ProtoWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** Writes an int64, int32 or enum field. Negative values take ten bytes, as the format requires. */
  int(field: number, value: number): this {
    this.#tag(field, VARINT);
    this.#varint(value);
    return this;
  }

  float(field: number, value: number): this {
    this.#tag(field, FIXED32);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, LENGTH_DELIMITED);
    this.#varint(value.length);
    this.#append(value);
    return this;
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish());
  }

  /** Writes a field as it was read. */
  field({ number, wireType, content }: ProtoField): this {
    this.#tag(number, wireType);
    if (wireType === LENGTH_DELIMITED) this.#varint(content.length);
    this.#append(content);
    return this;
  }

  /** Returns everything written so far, as a view that the next write may invalidate. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #append(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  #varint(value: number): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + extra));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
