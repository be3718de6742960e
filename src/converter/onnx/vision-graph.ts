/**
 * The vision graph: uint8 tiles in, features for the decoder out. It holds the normalisation of pixels, the SigLIP tower
 * up to the feature layer (without the post layer norm) and R-4B's projector. Pixels, patch embedding and features are
 * float32 on every target.
 */
import { VISION_IO } from '../../package/graph-io.ts';
import type { ImageConfig } from '../config/image-config.ts';
import type { GeluKind, VisionConfig } from '../config/vision-config.ts';
import { GraphBuilder } from './graph-builder.ts';
import {
  castToFloat,
  type GraphContext,
  layerNorm,
  linear,
  narrow,
  toFloat,
  toStream,
  vector,
  widen,
} from './operators.ts';

/** Epsilon of the projector's norm. R-4B's modelling code fixes it; no config has it. */
const PROJECTOR_NORM_EPS = 1e-6;

interface VisionContext extends GraphContext {
  readonly tower: VisionConfig;
  readonly image: ImageConfig;
}

/** @param options.graph receives the nodes; a new graph by default */
export function visionGraph(
  options: Omit<VisionContext, 'graph'> & { readonly graph?: GraphBuilder | undefined },
): GraphBuilder {
  const graph = options.graph ?? new GraphBuilder('vision');
  const context: VisionContext = { ...options, graph };
  const { tower, weights } = options;
  const side = tower.imageSize;
  const tiles = graph.input(VISION_IO.tiles, 'uint8', ['tiles', side, side, tower.numChannels]);
  const patches = patchEmbeddings(context, normalizePixels(context, tiles));
  let hidden = toStream(context, '/vision/embeddings', patches);
  for (let layer = 0; layer < tower.numLayersUsed; layer++) {
    hidden = encoderLayer(context, layer, hidden);
  }
  graph.identity(projector(context, hidden), VISION_IO.features);
  const { rows: textHidden } = weights.matrix('projector.linear_2.weight');
  graph.output(VISION_IO.features, 'float32', ['tiles', tower.patchesPerSide ** 2, textHidden]);
  return graph;
}

/** Same order as transformers' image processor: rescale, subtract, divide, each rounded to float32. */
function normalizePixels({ graph, image }: VisionContext, tiles: string): string {
  const path = '/vision/pixels';
  const scaled = graph.op(`${path}/rescale`, 'Mul', [
    castToFloat(graph, path, tiles),
    graph.float32s([image.rescaleFactor], []),
  ]);
  const centred = graph.op(path, 'Sub', [scaled, graph.float32s(image.mean)]);
  const normalized = graph.op(path, 'Div', [centred, graph.float32s(image.std)]);
  return graph.op(path, 'Transpose', [normalized], { perm: { ints: [0, 3, 1, 2] } });
}

/** [tiles, 3, side, side] -> [tiles, patches, hidden]; pixels after the last whole patch are ignored. */
function patchEmbeddings(context: VisionContext, pixels: string): string {
  const { graph, tower } = context;
  const path = '/vision/embeddings';
  const name = 'vision.embeddings';
  const sides = { ints: [tower.patchSize, tower.patchSize] };
  const weight = vector(context, `${name}.patch_embedding.weight`);
  const bias = vector(context, `${name}.patch_embedding.bias`);
  const conv = graph.op(path, 'Conv', [pixels, weight, bias], {
    kernel_shape: sides,
    strides: sides,
  });
  const flat = graph.op(path, 'Reshape', [conv, graph.int64s([0, 0, -1])]);
  const rows = graph.op(path, 'Transpose', [flat], { perm: { ints: [0, 2, 1] } });
  return graph.op(path, 'Add', [rows, vector(context, `${name}.position_embedding.weight`)]);
}

function encoderLayer(context: VisionContext, layer: number, input: string): string {
  const { graph, tower } = context;
  const path = `/vision/layers.${layer}`;
  const name = `vision.encoder.layers.${layer}`;
  const norm = (leaf: string, value: string): string =>
    layerNorm(context, {
      path: `${path}/${leaf}`,
      input: value,
      norm: `${name}.${leaf}`,
      eps: tower.normEps,
    });
  const attended = attention(context, layer, norm('layer_norm1', input));
  const middle = graph.op(`${path}/attn_residual`, 'Add', [input, attended]);
  const inner = biased(context, {
    path: `${path}/mlp/fc1`,
    input: narrow(context, `${path}/mlp`, norm('layer_norm2', middle)),
    name: `${name}.mlp.fc1`,
  });
  const active = gelu(graph, `${path}/mlp`, { input: inner, kind: tower.gelu });
  const outer = biased(context, {
    path: `${path}/mlp/fc2`,
    input: active,
    name: `${name}.mlp.fc2`,
  });
  const update = widen(context, `${path}/mlp`, outer);
  return graph.op(`${path}/mlp_residual`, 'Add', [middle, update]);
}

function attention(context: VisionContext, layer: number, normed: string): string {
  const path = `/vision/layers.${layer}/attn`;
  const input = narrow(context, path, normed);
  const name = `vision.encoder.layers.${layer}.self_attn`;
  const project = (leaf: string, value: string): string =>
    biased(context, { path: `${path}/${leaf}`, input: value, name: `${name}.${leaf}` });
  const inputs = [project('q_proj', input), project('k_proj', input), project('v_proj', input)];
  const output = context.graph.op(path, 'MultiHeadAttention', inputs, {
    num_heads: { int: context.tower.numHeads },
  });
  return widen(context, path, project('out_proj', output));
}

function projector(context: VisionContext, input: string): string {
  const { tower, graph } = context;
  const path = '/projector';
  const norm = 'projector.pre_norm';
  const eps = PROJECTOR_NORM_EPS;
  const normed = layerNorm(context, { path: `${path}/pre_norm`, input, norm, eps });
  const project = (leaf: string, value: string): string => {
    const options = { path: `${path}/${leaf}`, input: value, weight: `projector.${leaf}.weight` };
    const bias = tower.projectorBias ? `projector.${leaf}.bias` : undefined;
    return linear(context, { ...options, bias });
  };
  const active = gelu(graph, path, {
    input: project('linear_1', narrow(context, path, normed)),
    kind: tower.projectorGelu,
  });
  return toFloat(context, path, project('linear_2', active), context.target.activations);
}

function biased(
  context: VisionContext,
  { path, input, name }: { path: string; input: string; name: string },
): string {
  return linear(context, { path, input, weight: `${name}.weight`, bias: `${name}.bias` });
}

function gelu(
  graph: GraphBuilder,
  path: string,
  { input, kind }: { input: string; kind: GeluKind },
): string {
  const approximate = { string: kind === 'tanh' ? 'tanh' : 'none' };
  return graph.op(path, 'Gelu', [input], { approximate });
}
