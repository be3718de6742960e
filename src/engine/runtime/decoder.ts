import { DECODER_IO } from '../../package/graph-io.ts';
import type { TextShape } from '../../package/manifest.ts';
import { MAX_VERIFIED } from '../model-runner.ts';
import type { EmbeddingRows } from './embedder.ts';
import type { CacheSpan } from './kv-cache.ts';
import type { Session } from './session.ts';

/** One run over the slots of `span`. */
export interface DecoderStep {
  readonly span: CacheSpan;
  /** float32 [span.numSlots * tokensPerSlot, hiddenSize] */
  readonly embeddings: EmbeddingRows;
  readonly tokensPerSlot: number;
  /** Position of each slot's last token in this step. */
  readonly lastPositions: readonly number[];
  /** Rows of `embeddings` whose logits are returned, in this order. */
  readonly logitRows: readonly number[];
}

/** Runs a decode or prefill graph over the KV cache. Only logits leave the graph. */
export class Decoder {
  readonly #session: Session;
  readonly #hiddenSize: number;
  readonly #vocabSize: number;
  readonly #logits: Float32Array;
  readonly #seqlens: Int32Array;
  readonly #total = new Int32Array(new ArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #logitIndices: BigInt64Array;

  constructor(session: Session, numSlots: number, text: TextShape) {
    this.#session = session;
    this.#hiddenSize = text.hiddenSize;
    this.#vocabSize = text.vocabSize;
    this.#logits = new Float32Array(Math.max(numSlots, MAX_VERIFIED) * text.vocabSize);
    this.#seqlens = new Int32Array(new ArrayBuffer(numSlots * Int32Array.BYTES_PER_ELEMENT));
    this.#logitIndices = new BigInt64Array(
      new ArrayBuffer(Math.max(numSlots, MAX_VERIFIED) * BigInt64Array.BYTES_PER_ELEMENT),
    );
  }

  /** @returns one float32 [vocabSize] view per logit row, valid until the next call */
  async run(step: DecoderStep, signal?: AbortSignal): Promise<Float32Array[]> {
    const { span } = step;
    const { numSlots } = span;
    const numLogits = step.logitRows.length;
    this.#seqlens.set(step.lastPositions);
    this.#total[0] = Math.max(...step.lastPositions) + 1;
    for (const [index, row] of step.logitRows.entries()) this.#logitIndices[index] = BigInt(row);
    const logits = this.#logits.subarray(0, numLogits * this.#vocabSize);
    await this.#session.run(
      {
        [DECODER_IO.inputsEmbeds]: {
          type: 'float32',
          dims: [numSlots, step.tokensPerSlot, this.#hiddenSize],
          ...step.embeddings,
        },
        [DECODER_IO.seqlensK]: {
          type: 'int32',
          dims: [numSlots],
          data: this.#seqlens.subarray(0, numSlots),
        },
        [DECODER_IO.totalSequenceLength]: { type: 'int32', dims: [], data: this.#total },
        [DECODER_IO.logitIndices]: {
          type: 'int64',
          dims: [numLogits],
          data: this.#logitIndices.subarray(0, numLogits),
        },
        ...span.feeds,
      },
      {
        [DECODER_IO.logits]: { type: 'float32', dims: [numLogits, this.#vocabSize], data: logits },
        ...span.fetches,
      },
      signal,
    );
    return step.logitRows.map((_, index) =>
      logits.subarray(index * this.#vocabSize, (index + 1) * this.#vocabSize),
    );
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}
