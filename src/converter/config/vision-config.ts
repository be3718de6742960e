/** Config of R-4B's SigLIP tower and projector. */
import { z } from 'zod';
import { ConvertError } from '../convert-error.ts';

export type GeluKind = 'exact' | 'tanh';

export interface VisionConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  /** Layers in the checkpoint, and layers up to the feature layer. */
  readonly numLayers: number;
  readonly numLayersUsed: number;
  readonly numHeads: number;
  readonly numChannels: number;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly patchesPerSide: number;
  readonly gelu: GeluKind;
  readonly normEps: number;
  readonly projectorGelu: GeluKind;
  readonly projectorBias: boolean;
}

const count = z.int().min(1);

export const visionConfigSchema = z.looseObject({
  model_type: z.string(),
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_channels: count.default(3),
  image_size: count,
  patch_size: count,
  hidden_act: z.string().default('gelu_pytorch_tanh'),
  layer_norm_eps: z.number().positive().default(1e-6),
});

/** Fields of config.json that concern images, with the defaults of RConfig. */
export const multimodalConfigSchema = z.looseObject({
  vision_config: visionConfigSchema,
  projector_hidden_act: z.string().default('gelu'),
  vision_feature_select_strategy: z.string().default('full'),
  vision_feature_layer: z.union([z.int(), z.array(z.int())]).default(-1),
  vision_aspect_ratio: z.string().default('anyres'),
  image_grid_pinpoints: z.array(z.tuple([count, count])).nullish(),
  multimodal_projector_bias: z.boolean().default(true),
  image_token_index: z.int().optional(),
  image_token_id: z.int().optional(),
});
export type RawMultimodalConfig = z.output<typeof multimodalConfigSchema>;

/** Activations by their names in transformers. */
const GELU_KINDS: Readonly<Record<string, GeluKind>> = {
  gelu: 'exact',
  gelu_pytorch_tanh: 'tanh',
  gelu_new: 'tanh',
};

/** @throws ConvertError that names the first field without support in the graphs */
export function checkVisionConfig(raw: RawMultimodalConfig): VisionConfig {
  const vision = raw.vision_config;
  const reject = (field: string, value: unknown, supported: string): never => {
    throw new ConvertError(
      `config.json: ${field} is ${JSON.stringify(value)}; only ${supported} is supported.`,
    );
  };
  const gelu = (field: string, name: string): GeluKind =>
    GELU_KINDS[name] ?? reject(field, name, Object.keys(GELU_KINDS).join(', '));
  if (!['siglip_vision_model', 'siglip'].includes(vision.model_type)) {
    reject('vision_config.model_type', vision.model_type, '"siglip_vision_model"');
  }
  if (raw.vision_aspect_ratio !== 'anyres') {
    reject('vision_aspect_ratio', raw.vision_aspect_ratio, '"anyres"');
  }
  if (raw.vision_feature_select_strategy !== 'full') {
    reject('vision_feature_select_strategy', raw.vision_feature_select_strategy, '"full"');
  }
  if (vision.num_channels !== 3) reject('vision_config.num_channels', vision.num_channels, '3');
  if (vision.hidden_size % vision.num_attention_heads !== 0) {
    reject(
      'vision_config.num_attention_heads',
      vision.num_attention_heads,
      'a divisor of hidden_size',
    );
  }
  if (vision.patch_size > vision.image_size) {
    reject('vision_config.patch_size', vision.patch_size, 'a size up to image_size');
  }
  return {
    hiddenSize: vision.hidden_size,
    intermediateSize: vision.intermediate_size,
    numLayers: vision.num_hidden_layers,
    numLayersUsed: layersUsed(raw.vision_feature_layer, vision.num_hidden_layers),
    numHeads: vision.num_attention_heads,
    numChannels: vision.num_channels,
    imageSize: vision.image_size,
    patchSize: vision.patch_size,
    patchesPerSide: Math.floor(vision.image_size / vision.patch_size),
    gelu: gelu('vision_config.hidden_act', vision.hidden_act),
    normEps: vision.layer_norm_eps,
    projectorGelu: gelu('projector_hidden_act', raw.projector_hidden_act),
    projectorBias: raw.multimodal_projector_bias,
  };
}

/** Converts an index into hidden_states, whose entry 0 is the input of the first layer, to a number of layers. */
function layersUsed(featureLayer: number | readonly number[], numLayers: number): number {
  const single = typeof featureLayer === 'number' ? featureLayer : featureLayer[0];
  const isSingle = typeof featureLayer === 'number' || featureLayer.length === 1;
  const used = single === undefined || single >= 0 ? single : numLayers + single + 1;
  if (!isSingle || used === undefined || used < 1 || used > numLayers) {
    throw new ConvertError(
      `config.json: vision_feature_layer is ${JSON.stringify(featureLayer)}; ` +
        `only one layer of the tower's ${numLayers} is supported.`,
    );
  }
  return used;
}
