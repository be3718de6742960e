/** Decodes token bytes to text. A character that is split between tokens waits for its last byte. */
export class Utf8Stream {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #expected = 0;

  push(bytes: Uint8Array): string {
    this.#expected = this.missingAfter(bytes);
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** Ends the text. @returns the rest, with U+FFFD for an unfinished character */
  end(): string {
    this.#expected = 0;
    return this.#decoder.decode();
  }

  /** A character has begun and not ended. */
  get insideCharacter(): boolean {
    return this.#expected > 0;
  }

  /** Number of bytes that the last character would lack after these bytes. */
  missingAfter(bytes: Uint8Array): number {
    let missing = this.#expected;
    for (const byte of bytes) {
      // 0xc0, 0xc1 and 0xf5 to 0xff begin no character.
      if (byte >= 0xf5) missing = 0;
      else if (byte >= 0xf0) missing = 3;
      else if (byte >= 0xe0) missing = 2;
      else if (byte >= 0xc2) missing = 1;
      else if (byte >= 0xc0 || byte < 0x80) missing = 0;
      else missing = Math.max(0, missing - 1);
    }
    return missing;
  }
}
