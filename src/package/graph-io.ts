/**
 * Names, types and shapes of the inputs and outputs of a package's three graphs. The converter writes them and the
 * runtime binds them; this file is the only place where they are defined.
 *
 * - vision : tiles u8 [n, tileSize, tileSize, 3] -> features f32 [n, featuresPerTile, hiddenSize]
 *            (normalisation and the projector are inside)
 * - embed  : input_ids i64 [n] -> embeddings f32 [n, hiddenSize]
 * - decoder: inputs_embeds f32 [b, s, hiddenSize], seqlens_k i32 [b] (tokens in the cache after the step, minus one),
 *            total_sequence_length i32 [] (the largest of seqlens_k, plus one), logit_indices i64 [n] (rows of the
 *            flattened [b*s] output that need logits), past_key.N / past_value.N f32 [b, numKvHeads, capacity, headDim]
 *            -> logits f32 [n, vocabSize], present_key.N / present_value.N (same shape and memory as their past_*).
 *            With an int8 KV cache, only the type of past_* and present_* differs.
 *            Rules of GroupQueryAttention on CPU: b > 1 only with s = 1; b = 1 with any s and any past.
 *
 * In the manifest's `gpu` graphs, past_key.N, past_value.N, present_key.N and present_value.N are f16.
 */
export const VISION_IO = { tiles: 'tiles', features: 'features' } as const;

export const EMBED_IO = { inputIds: 'input_ids', embeddings: 'embeddings' } as const;

export const DECODER_IO = {
  inputsEmbeds: 'inputs_embeds',
  seqlensK: 'seqlens_k',
  totalSequenceLength: 'total_sequence_length',
  logitIndices: 'logit_indices',
  logits: 'logits',
  pastKey: (layer: number): string => `past_key.${layer}`,
  pastValue: (layer: number): string => `past_value.${layer}`,
  presentKey: (layer: number): string => `present_key.${layer}`,
  presentValue: (layer: number): string => `present_value.${layer}`,
} as const;
