import { EMBED_IO } from '../model-package/graph-io.ts';
import { RuntimeError, type Session } from './session.ts';

/** The embedding graph with memory of its own, so that the decoder can read the rows where they were written. */
export class Embedder {
  readonly #session: Session;
  readonly #vocabSize: number;
  readonly #hiddenSize: number;
  #ids = new BigInt64Array(0);
  #rows = new Float32Array(0);

  constructor(session: Session, vocabSize: number, hiddenSize: number) {
    this.#session = session;
    this.#vocabSize = vocabSize;
    this.#hiddenSize = hiddenSize;
  }

  /**
   * @returns float32 [tokenIds.length, hiddenSize], valid until the next call
   * @throws RuntimeError for a token id outside the vocabulary
   */
  async embed(tokenIds: ArrayLike<number>, signal?: AbortSignal): Promise<Float32Array> {
    const count = tokenIds.length;
    this.#reserve(count);
    for (let index = 0; index < count; index += 1) {
      const id = tokenIds[index]!;
      if (!Number.isInteger(id) || id < 0 || id >= this.#vocabSize) {
        throw new RuntimeError(
          `Token id ${id} is outside the vocabulary of ${this.#vocabSize} tokens.`,
        );
      }
      this.#ids[index] = BigInt(id);
    }
    const rows = this.#rows.subarray(0, count * this.#hiddenSize);
    await this.#session.run(
      { [EMBED_IO.inputIds]: { type: 'int64', dims: [count], data: this.#ids.subarray(0, count) } },
      { [EMBED_IO.embeddings]: { type: 'float32', dims: [count, this.#hiddenSize], data: rows } },
      signal,
    );
    return rows;
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }

  #reserve(count: number): void {
    if (count <= this.#ids.length) return;
    this.#ids = new BigInt64Array(new ArrayBuffer(count * BigInt64Array.BYTES_PER_ELEMENT));
    this.#rows = new Float32Array(count * this.#hiddenSize);
  }
}
