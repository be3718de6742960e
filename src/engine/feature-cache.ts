/**
 * Packed picture features by the picture's content hash, least recently used out first. A picture seen before, in
 * whatever conversation, does not go through the vision graph again.
 */
export class FeatureCache {
  readonly #maxBytes: number;
  /** In order of use, the longest unused first. */
  readonly #features = new Map<string, Float32Array>();
  #numBytes = 0;

  /** @param maxBytes most bytes of features kept; 0 keeps none */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get numBytes(): number {
    return this.#numBytes;
  }

  /** @returns float32 [numTokens, hiddenSize], shared: not to be written to */
  get(hash: string): Float32Array | undefined {
    const features = this.#features.get(hash);
    if (features === undefined) return undefined;
    this.#features.delete(hash);
    this.#features.set(hash, features);
    return features;
  }

  /** Keeps a picture's features; those larger than the whole cache are not kept and push nothing out. */
  set(hash: string, features: Float32Array): void {
    this.#delete(hash);
    if (features.byteLength > this.#maxBytes) return;
    this.#features.set(hash, features);
    this.#numBytes += features.byteLength;
    for (const oldest of this.#features.keys()) {
      if (this.#numBytes <= this.#maxBytes) break;
      this.#delete(oldest);
    }
  }

  #delete(hash: string): void {
    this.#numBytes -= this.#features.get(hash)?.byteLength ?? 0;
    this.#features.delete(hash);
  }
}
