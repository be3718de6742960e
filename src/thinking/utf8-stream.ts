/** Turns token bytes into text; a character cut between tokens waits for its rest. */
export class Utf8Stream {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #expected = 0;

  push(bytes: Uint8Array): string {
    for (const byte of bytes) this.#count(byte);
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

  #count(byte: number): void {
    // 0xc0, 0xc1 and 0xf5 to 0xff begin no character.
    if (byte >= 0xf5) this.#expected = 0;
    else if (byte >= 0xf0) this.#expected = 3;
    else if (byte >= 0xe0) this.#expected = 2;
    else if (byte >= 0xc2) this.#expected = 1;
    else if (byte >= 0xc0) this.#expected = 0;
    else if (byte >= 0x80) this.#expected = Math.max(0, this.#expected - 1);
    else this.#expected = 0;
  }
}
