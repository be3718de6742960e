/** Bytes of every token in one buffer, which crosses a process boundary in one copy. */
export interface TokenTable {
  /** The bytes of all tokens, concatenated. */
  readonly bytes: Uint8Array;
  /** Token i is bytes[offsets[i] … offsets[i + 1]); there is one entry more than there are tokens. */
  readonly offsets: Uint32Array;
}

/** @returns the bytes of one token (a view, not a copy); empty for an id beyond the table */
export function bytesOfToken(table: TokenTable, tokenId: number): Uint8Array {
  const start = table.offsets[tokenId];
  const end = table.offsets[tokenId + 1];
  if (start === undefined || end === undefined) return table.bytes.subarray(0, 0);
  return table.bytes.subarray(start, end);
}

/**
 * Maps every character of a byte-level BPE vocabulary to its byte. This is GPT-2's table: printable Latin-1 characters
 * stand for themselves; the characters from U+0100 on stand for the other bytes, in order.
 */
export const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = byteOfCharacter();

function byteOfCharacter(): Map<string, number> {
  const table = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte += 1) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table.set(String.fromCodePoint(printable ? byte : next), byte);
    if (!printable) next += 1;
  }
  return table;
}

export interface TokenTableSource {
  /** Byte-level BPE vocabulary: token spelled in GPT-2's byte characters -> id. */
  readonly vocab: ReadonlyMap<string, number>;
  /** Added tokens, spelled as plain text. */
  readonly added: readonly { readonly id: number; readonly content: string }[];
  /** Entries of the table; ids that the tokenizer does not know have no bytes. */
  readonly size: number;
}

/** @throws Error that names the first token with a character outside GPT-2's table */
export function buildTokenTable({ vocab, added, size }: TokenTableSource): TokenTable {
  const pieces: (Uint8Array | undefined)[] = new Array(size);
  for (const [token, id] of vocab) pieces[id] = bytesOfSpelling(token);
  const encoder = new TextEncoder();
  for (const { id, content } of added) pieces[id] = encoder.encode(content);
  const offsets = new Uint32Array(size + 1);
  for (let id = 0; id < size; id += 1) {
    offsets[id + 1] = (offsets[id] ?? 0) + (pieces[id]?.length ?? 0);
  }
  const bytes = new Uint8Array(offsets[size] ?? 0);
  pieces.forEach((piece, id) => {
    if (piece !== undefined && id < size) bytes.set(piece, offsets[id]);
  });
  return { bytes, offsets };
}

function bytesOfSpelling(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let index = 0; index < token.length; index += 1) {
    const byte = BYTE_OF_CHARACTER.get(token.charAt(index));
    if (byte === undefined) {
      throw new Error(
        `The vocabulary is not byte-level BPE: "${token}" has the character "${token.charAt(index)}".`,
      );
    }
    bytes[index] = byte;
  }
  return bytes;
}
