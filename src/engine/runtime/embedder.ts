import { EMBED_IO } from '../../package/graph-io.ts';
import { type Device, type DeviceBuffer, RuntimeError, type Session } from './session.ts';

/** Embeddings of some tokens, float32 [numTokens, hiddenSize], in this process' memory or the device's. */
export type EmbeddingRows = { readonly data: Float32Array } | { readonly buffer: DeviceBuffer };

export interface EmbedderOptions {
  readonly session: Session;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** The device whose memory the decode graph reads; null for this process' memory. */
  readonly device: Device | null;
}

/** Runs the embedding graph. It owns the memory of the rows, so the decode graph reads them where they were written. */
export class Embedder {
  readonly #session: Session;
  readonly #vocabSize: number;
  readonly #hiddenSize: number;
  readonly #device: Device | null;
  #ids = new BigInt64Array(0);
  #rows = new Float32Array(0);
  #buffer: DeviceBuffer | null = null;

  constructor({ session, vocabSize, hiddenSize, device }: EmbedderOptions) {
    this.#session = session;
    this.#vocabSize = vocabSize;
    this.#hiddenSize = hiddenSize;
    this.#device = device;
  }

  /**
   * Embeds tokens in the memory that the decode graph reads.
   * @returns valid until the next call
   * @throws RuntimeError for a token id outside the vocabulary
   */
  async embed(tokenIds: ArrayLike<number>, signal?: AbortSignal): Promise<EmbeddingRows> {
    if (this.#device === null) return { data: await this.embedHere(tokenIds, signal) };
    const buffer = this.#reserveOnDevice(this.#device, tokenIds.length);
    await this.#run(tokenIds, { buffer }, signal);
    return { buffer };
  }

  /**
   * Embeds tokens in this process' memory, where the caller may overwrite rows.
   * @returns float32 [tokenIds.length, hiddenSize], valid until the next call
   * @throws RuntimeError for a token id outside the vocabulary
   */
  async embedHere(tokenIds: ArrayLike<number>, signal?: AbortSignal): Promise<Float32Array> {
    const numElements = tokenIds.length * this.#hiddenSize;
    if (numElements > this.#rows.length) this.#rows = new Float32Array(numElements);
    const data = this.#rows.subarray(0, numElements);
    await this.#run(tokenIds, { data }, signal);
    return data;
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
    this.#buffer?.release();
  }

  async #run(
    tokenIds: ArrayLike<number>,
    rows: EmbeddingRows,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const count = tokenIds.length;
    if (count > this.#ids.length) {
      this.#ids = new BigInt64Array(new ArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT));
    }
    for (let index = 0; index < count; index += 1) {
      const id = tokenIds[index]!;
      if (!Number.isInteger(id) || id < 0 || id >= this.#vocabSize) {
        throw new RuntimeError(
          `Token id ${id} is outside the vocabulary of ${this.#vocabSize} tokens.`,
        );
      }
      this.#ids[index] = BigInt(id);
    }
    await this.#session.run(
      { [EMBED_IO.inputIds]: { type: 'int64', dims: [count], data: this.#ids.subarray(0, count) } },
      { [EMBED_IO.embeddings]: { type: 'float32', dims: [count, this.#hiddenSize], ...rows } },
      signal,
    );
  }

  #reserveOnDevice(device: Device, count: number): DeviceBuffer {
    const numBytes = count * this.#hiddenSize * Float32Array.BYTES_PER_ELEMENT;
    if (this.#buffer !== null && numBytes <= this.#buffer.numBytes) return this.#buffer;
    const larger = device.allocate(numBytes);
    this.#buffer?.release();
    this.#buffer = larger;
    return larger;
  }
}
