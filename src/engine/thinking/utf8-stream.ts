/** Turns token bytes into text; a character cut between tokens waits for its rest. */
export class Utf8Stream {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #expected = 0;

  push(bytes: Uint8Array): string {
    this.#expected = this.missingAfter(bytes);
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** The rest, with U+FFFD for a character that was never finished. */
  end(): string {
    this.#expected = 0;
    return this.#decoder.decode();
  }

  /** True while a character has begun and not ended. */
  get insideCharacter(): boolean {
    return this.#expected > 0;
  }

  /** Bytes that the last character would still lack if these were pushed. */
  missingAfter(bytes: Uint8Array): number {
    return bytes.reduce(missing, this.#expected);
  }
}

function missing(before: number, byte: number): number {
  // 0xc0, 0xc1 and 0xf5 to 0xff begin no character.
  if (byte >= 0xf5) return 0;
  if (byte >= 0xf0) return 3;
  if (byte >= 0xe0) return 2;
  if (byte >= 0xc2) return 1;
  if (byte >= 0xc0 || byte < 0x80) return 0;
  return Math.max(0, before - 1);
}
