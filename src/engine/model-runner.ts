/*
 * The interface between the engine (sequences, steps, sampling) and the model that computes logits. ONNX Runtime
 * implements it in production, a scripted fake in tests.
 */

/** One image after AnyRes tiling, ready for the vision graph. */
export interface TiledImage {
  /** sha256 (hex) over the decoded, tiled pixels and their geometry: equal images have equal hashes. */
  readonly hash: string;
  /** uint8 [numTiles, tileSize, tileSize, 3]; tile 0 is the base (whole image), then the grid row by row. */
  readonly tiles: Uint8Array;
  readonly numTiles: number;
  /** Grid of the tiles after the base; 0 x 0 when there is only the base. */
  readonly gridRows: number;
  readonly gridColumns: number;
  /** Size of the image before tiling, needed to remove the padding from the features. */
  readonly originalHeight: number;
  readonly originalWidth: number;
  /** Placeholder tokens the image takes in the prompt. */
  readonly numTokens: number;
}

/** Limits of the model, in tokens or elements. */
export interface ModelLimits {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numSlots: number;
  /** Positions per slot: prompt and output of one sequence must fit. */
  readonly slotCapacity: number;
  /** Element type of the KV cache: float32, float16 or int8. */
  readonly kvCacheType: string;
  /** True where a batch begins at slot 0; false where it begins at the lowest slot in use. */
  readonly batchesFromFirstSlot?: boolean;
}

/** Consecutive prompt tokens of one sequence. Rows covered by an image take its features instead of embeddings. */
export interface PrefillChunk {
  readonly slot: number;
  /** Position of the chunk's first token; everything before it is already in the slot's cache. */
  readonly start: number;
  readonly tokenIds: Int32Array;
  readonly features: readonly FeatureSpan[];
  /** True for the chunk that ends the prompt: the logits of its last token are needed. */
  readonly needsLogits: boolean;
  /** True for tokens that decode steps computed before. Their keys and values must be the same again. */
  readonly wasGenerated?: boolean;
}

export interface FeatureSpan {
  /** First row of the chunk the features replace. */
  readonly offset: number;
  /** float32 [numRows, hiddenSize]. */
  readonly rows: Float32Array;
}

/** One sequence's single-token step. */
export interface DecodeRow {
  readonly slot: number;
  /** Position the token is written to. */
  readonly position: number;
  readonly tokenId: number;
}

/** Consecutive tokens of one sequence whose logits are all needed; at most MAX_VERIFIED of them. */
export interface DraftRow {
  readonly slot: number;
  /** Position of the first. */
  readonly position: number;
  readonly tokenIds: readonly number[];
}

/** Most tokens of a verify step: the draft and the token before it. */
export const MAX_VERIFIED = 8;

export interface PrefixCopy {
  readonly fromSlot: number;
  readonly toSlot: number;
  readonly numTokens: number;
}

export interface ModelRunner {
  readonly limits: ModelLimits;
  /**
   * Features of some tiles of one image, before packing.
   * @returns float32 [count, featuresPerTile, hiddenSize]
   */
  encodeTiles(
    image: TiledImage,
    first: number,
    count: number,
    signal?: AbortSignal,
  ): Promise<Float32Array>;
  /**
   * Packs the features of all tiles: base, then the unpadded grid with a newline feature after each row.
   * @param features float32 [numTiles, featuresPerTile, hiddenSize]
   * @returns float32 [image.numTokens, hiddenSize]
   */
  packFeatures(image: TiledImage, features: Float32Array): Float32Array;
  /** @returns logits float32 [vocabSize] of the chunk's last token; undefined unless needed. Valid until the next call. */
  prefill(chunk: PrefillChunk, signal?: AbortSignal): Promise<Float32Array | undefined>;
  /** One step of several sequences. @returns one float32 [vocabSize] view per row, in order. Valid until the next call. */
  decode(rows: readonly DecodeRow[]): Promise<readonly Float32Array[]>;
  /**
   * One step of one sequence over several tokens: its last, and some that may follow it.
   * @returns one float32 [vocabSize] view per token, in order. Valid until the next call. Later steps overwrite the
   *   cache positions of rejected tokens.
   */
  verify(draft: DraftRow): Promise<readonly Float32Array[]>;
  /**
   * Copies the first positions of one slot's cache to another slot, and drops the rest of the latter.
   * @throws Error when both slots are the same, or the source holds fewer tokens
   */
  copyPrefix(copy: PrefixCopy): Promise<void>;
  /** Exchanges the contents of two slots. */
  swapSlots(one: number, other: number): Promise<void>;
  dispose(): Promise<void>;
}
