/**
 * Takes a protobuf message apart into its fields, so that some can be changed and all others written back as they are.
 * Source: https://protobuf.dev/programming-guides/encoding/.
 */
export const VARINT = 0;
const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
export const FIXED32 = 5;

export interface ProtoField {
  readonly number: number;
  readonly wireType: number;
  /** The encoded value; of a length-delimited field what follows its length. */
  readonly content: Uint8Array;
}

/**
 * The fields of a message, in the order they were written; views of `bytes`.
 * @throws Error when the bytes are no message
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

/** Texts of a field that may be repeated. */
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

/** Values above 2^53 lose their low bits; tags and lengths are far below. */
function readVarint(bytes: Uint8Array, start: number): { value: number; end: number } {
  let value = 0;
  for (let at = start, factor = 1; at < bytes.length; at += 1, factor *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw new Error(`A protobuf number at byte ${start} is cut off.`);
}
