/** Canonical names and shapes of all tensors of a model. */
import type { ModelConfig } from '../config/model-config.ts';
import type { TextConfig } from '../config/text-config.ts';
import type { VisionConfig } from '../config/vision-config.ts';

type Shapes = Map<string, readonly number[]>;

export const EMBEDDING = 'text.embed_tokens.weight';
export const LM_HEAD = 'head.weight';
export const IMAGE_NEWLINE = 'newline';

/** @returns shapes by canonical name; the head is missing when the config ties it to the embedding */
export function expectedTensors(config: ModelConfig): ReadonlyMap<string, readonly number[]> {
  const shapes: Shapes = new Map();
  addText(shapes, config.text);
  if (config.vision) {
    addVision(shapes, config.vision.tower);
    addProjector(shapes, config.vision.tower, config.text.hiddenSize);
    shapes.set(IMAGE_NEWLINE, [config.text.hiddenSize]);
  }
  return shapes;
}

function addText(shapes: Shapes, text: TextConfig): void {
  const { hiddenSize: hidden, intermediateSize: inner, headDim } = text;
  const queries = text.numHeads * headDim;
  const keys = text.numKvHeads * headDim;
  shapes.set(EMBEDDING, [text.vocabSize, hidden]);
  if (!text.tieWordEmbeddings) shapes.set(LM_HEAD, [text.vocabSize, hidden]);
  for (let layer = 0; layer < text.numLayers; layer++) {
    const add = (leaf: string, shape: readonly number[]): void => {
      shapes.set(`text.layers.${layer}.${leaf}.weight`, shape);
    };
    add('input_layernorm', [hidden]);
    add('self_attn.q_proj', [queries, hidden]);
    add('self_attn.k_proj', [keys, hidden]);
    add('self_attn.v_proj', [keys, hidden]);
    add('self_attn.o_proj', [hidden, queries]);
    add('self_attn.q_norm', [headDim]);
    add('self_attn.k_norm', [headDim]);
    add('post_attention_layernorm', [hidden]);
    add('mlp.gate_proj', [inner, hidden]);
    add('mlp.up_proj', [inner, hidden]);
    add('mlp.down_proj', [hidden, inner]);
  }
  shapes.set('text.norm.weight', [hidden]);
}

function addBiased(shapes: Shapes, name: string, weight: readonly number[]): void {
  shapes.set(`${name}.weight`, weight);
  shapes.set(`${name}.bias`, [weight[0]!]);
}

function addVision(shapes: Shapes, vision: VisionConfig): void {
  const { hiddenSize: hidden, intermediateSize: inner, patchSize, patchesPerSide } = vision;
  const patch = [hidden, vision.numChannels, patchSize, patchSize];
  addBiased(shapes, 'vision.embeddings.patch_embedding', patch);
  shapes.set('vision.embeddings.position_embedding.weight', [patchesPerSide ** 2, hidden]);
  for (let layer = 0; layer < vision.numLayersUsed; layer++) {
    const at = `vision.encoder.layers.${layer}`;
    addBiased(shapes, `${at}.layer_norm1`, [hidden]);
    addBiased(shapes, `${at}.layer_norm2`, [hidden]);
    for (const projection of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
      addBiased(shapes, `${at}.self_attn.${projection}`, [hidden, hidden]);
    }
    addBiased(shapes, `${at}.mlp.fc1`, [inner, hidden]);
    addBiased(shapes, `${at}.mlp.fc2`, [hidden, inner]);
  }
}

function addProjector(shapes: Shapes, vision: VisionConfig, textHidden: number): void {
  addBiased(shapes, 'projector.pre_norm', [vision.hiddenSize]);
  shapes.set('projector.linear_1.weight', [textHidden, vision.hiddenSize]);
  shapes.set('projector.linear_2.weight', [textHidden, textHidden]);
  if (!vision.projectorBias) return;
  shapes.set('projector.linear_1.bias', [textHidden]);
  shapes.set('projector.linear_2.bias', [textHidden]);
}
