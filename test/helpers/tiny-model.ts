import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeModel,
  type GraphProto,
  type NodeProto,
  type TensorProto,
} from '../../src/onnx/model-proto.ts';
import { DECODER_IO, EMBED_IO, VISION_IO } from '../../src/package/graph-io.ts';
import {
  type Manifest,
  manifestSchema,
  PACKAGE_FORMAT,
  PACKAGE_VERSION,
} from '../../src/package/manifest.ts';
import { Random } from './random.ts';

/**
 * A model that a few loops can compute (tiny-reference.ts): an embedding table, attention layers with rotary positions
 * and a residual but no norm and no MLP, and a linear patch projection as the vision tower. Every logit depends on every
 * token before it and on their order, so a confusion of rows, slots or lengths changes the logits.
 */
export interface TinyModel {
  readonly shape: TinyShape;
  /** float32 [vocabSize, hiddenSize] */
  readonly embeddings: Float32Array;
  readonly layers: readonly TinyLayer[];
  /** float32 [hiddenSize, vocabSize] */
  readonly head: Float32Array;
  /** float32 [maxPositions, headDim / 2] */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  /** float32 [hiddenSize, 3, patchSize, patchSize] */
  readonly patch: Float32Array;
  readonly newline: Float32Array;
}

export interface TinyLayer {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly output: Float32Array;
}

export interface TinyShape {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly maxPositions: number;
  readonly tileSize: number;
  readonly patchSize: number;
  readonly patchesPerSide: number;
}

export const TINY_SHAPE: TinyShape = {
  vocabSize: 61,
  hiddenSize: 24,
  numLayers: 2,
  numHeads: 4,
  numKvHeads: 2,
  headDim: 16,
  maxPositions: 96,
  tileSize: 10,
  patchSize: 3,
  patchesPerSide: 3,
};

export function makeTinyModel(shape: TinyShape = TINY_SHAPE, seed = 1): TinyModel {
  const random = new Random(seed);
  const { hiddenSize, headDim, numHeads, numKvHeads, maxPositions } = shape;
  const matrix = (rows: number, columns: number): Float32Array =>
    random.floats(rows * columns, 1.7 / Math.sqrt(rows));
  const angles = Array.from({ length: maxPositions * (headDim / 2) }, (_, index) => {
    const position = Math.floor(index / (headDim / 2));
    return position / 100 ** ((2 * (index % (headDim / 2))) / headDim);
  });
  return {
    shape,
    embeddings: random.floats(shape.vocabSize * hiddenSize, 1.7),
    layers: Array.from({ length: shape.numLayers }, () => ({
      query: matrix(hiddenSize, numHeads * headDim),
      key: matrix(hiddenSize, numKvHeads * headDim),
      value: matrix(hiddenSize, numKvHeads * headDim),
      output: matrix(numHeads * headDim, hiddenSize),
    })),
    head: matrix(hiddenSize, shape.vocabSize),
    cos: Float32Array.from(angles, Math.cos),
    sin: Float32Array.from(angles, Math.sin),
    patch: random.floats(hiddenSize * 3 * shape.patchSize ** 2, 0.005),
    newline: random.floats(hiddenSize, 1.7),
  };
}

export interface TinyPackage {
  readonly packageDir: string;
  readonly manifest: Manifest;
  remove(): Promise<void>;
}

/** Writes the model's graphs and newline to a temporary folder. */
export async function writeTinyPackage(
  model: TinyModel,
  { withVision = true }: { withVision?: boolean } = {},
): Promise<TinyPackage> {
  const packageDir = await mkdtemp(join(tmpdir(), 'thinkgate-tiny-'));
  const write = (file: string, graph: GraphProto): Promise<void> =>
    writeFile(join(packageDir, file), encodeModel(graph, 'thinkgate-test'));
  await write('embed.onnx', embedGraph(model));
  await write('decoder.onnx', decoderGraph(model));
  await write('vision.onnx', visionGraph(model));
  await writeFile(join(packageDir, 'newline.bin'), new Uint8Array(model.newline.buffer));
  return {
    packageDir,
    manifest: tinyManifest(model.shape, withVision),
    remove: () => rm(packageDir, { recursive: true }),
  };
}

function embedGraph({ shape, embeddings }: TinyModel): GraphProto {
  return {
    name: 'embed',
    nodes: [node('Gather', ['table', EMBED_IO.inputIds], [EMBED_IO.embeddings])],
    initializers: [floats('table', [shape.vocabSize, shape.hiddenSize], embeddings)],
    inputs: [{ name: EMBED_IO.inputIds, type: 'int64', dims: ['n'] }],
    outputs: [{ name: EMBED_IO.embeddings, type: 'float32', dims: ['n', shape.hiddenSize] }],
  };
}

function visionGraph({ shape, patch }: TinyModel): GraphProto {
  const { hiddenSize, tileSize, patchSize, patchesPerSide } = shape;
  const strides = { ints: [patchSize, patchSize] };
  return {
    name: 'vision',
    nodes: [
      node('Cast', [VISION_IO.tiles], ['pixels'], { to: { int: 1 } }),
      node('Transpose', ['pixels'], ['planes'], { perm: { ints: [0, 3, 1, 2] } }),
      node('Conv', ['planes', 'patch'], ['maps'], { strides, kernel_shape: strides }),
      node('Reshape', ['maps', 'flat'], ['columns']),
      node('Transpose', ['columns'], [VISION_IO.features], { perm: { ints: [0, 2, 1] } }),
    ],
    initializers: [
      floats('patch', [hiddenSize, 3, patchSize, patchSize], patch),
      int64s('flat', [0, hiddenSize, -1]),
    ],
    inputs: [{ name: VISION_IO.tiles, type: 'uint8', dims: ['n', tileSize, tileSize, 3] }],
    outputs: [
      { name: VISION_IO.features, type: 'float32', dims: ['n', patchesPerSide ** 2, hiddenSize] },
    ],
  };
}

function decoderGraph(model: TinyModel): GraphProto {
  const { shape } = model;
  const { hiddenSize, numHeads, numKvHeads, headDim, maxPositions, vocabSize } = shape;
  const cacheDims = ['b', numKvHeads, 'capacity', headDim];
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [
    floats('cos', [maxPositions, headDim / 2], model.cos),
    floats('sin', [maxPositions, headDim / 2], model.sin),
    floats('head', [hiddenSize, vocabSize], model.head),
    int64s('rows', [-1, hiddenSize]),
  ];
  let hidden: string = DECODER_IO.inputsEmbeds;
  for (const [index, layer] of model.layers.entries()) {
    const name = (part: string): string => `${part}.${index}`;
    for (const [part, heads] of [
      ['query', numHeads],
      ['key', numKvHeads],
      ['value', numKvHeads],
    ] as const) {
      initializers.push(floats(name(`${part}_w`), [hiddenSize, heads * headDim], layer[part]));
      nodes.push(node('MatMul', [hidden, name(`${part}_w`)], [name(part)]));
    }
    initializers.push(floats(name('output_w'), [numHeads * headDim, hiddenSize], layer.output));
    nodes.push(
      {
        ...node(
          'GroupQueryAttention',
          [
            name('query'),
            name('key'),
            name('value'),
            DECODER_IO.pastKey(index),
            DECODER_IO.pastValue(index),
            DECODER_IO.seqlensK,
            DECODER_IO.totalSequenceLength,
            'cos',
            'sin',
          ],
          [name('attention'), DECODER_IO.presentKey(index), DECODER_IO.presentValue(index)],
          {
            num_heads: { int: numHeads },
            kv_num_heads: { int: numKvHeads },
            do_rotary: { int: 1 },
          },
        ),
        domain: 'com.microsoft',
      },
      node('MatMul', [name('attention'), name('output_w')], [name('projected')]),
      node('Add', [hidden, name('projected')], [name('hidden')]),
    );
    hidden = name('hidden');
  }
  nodes.push(
    node('Reshape', [hidden, 'rows'], ['flat']),
    node('Gather', ['flat', DECODER_IO.logitIndices], ['wanted']),
    node('MatMul', ['wanted', 'head'], [DECODER_IO.logits]),
  );
  const layers = [...model.layers.keys()];
  const cache = (name: (layer: number) => string) =>
    layers.map((layer) => ({ name: name(layer), type: 'float32' as const, dims: cacheDims }));
  return {
    name: 'decoder',
    nodes,
    initializers,
    inputs: [
      { name: DECODER_IO.inputsEmbeds, type: 'float32', dims: ['b', 's', hiddenSize] },
      { name: DECODER_IO.seqlensK, type: 'int32', dims: ['b'] },
      { name: DECODER_IO.totalSequenceLength, type: 'int32', dims: [] },
      { name: DECODER_IO.logitIndices, type: 'int64', dims: ['n'] },
      ...cache(DECODER_IO.pastKey),
      ...cache(DECODER_IO.pastValue),
    ],
    outputs: [
      { name: DECODER_IO.logits, type: 'float32', dims: ['n', vocabSize] },
      ...cache(DECODER_IO.presentKey),
      ...cache(DECODER_IO.presentValue),
    ],
  };
}

export function node(
  type: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: NodeProto['attributes'] = {},
): NodeProto {
  return { name: outputs[0] ?? type, type, domain: '', inputs, outputs, attributes };
}

export function floats(name: string, dims: readonly number[], values: Float32Array): TensorProto {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, type: 'float32', dims, data: { raw } };
}

function int64s(name: string, values: readonly number[]): TensorProto {
  const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return { name, type: 'int64', dims: [values.length], data: { raw } };
}

function tinyManifest(shape: TinyShape, withVision: boolean): Manifest {
  const { tileSize, patchSize, patchesPerSide, hiddenSize } = shape;
  const file = { path: 'decoder.onnx', bytes: 0, sha256: '0'.repeat(64) };
  return manifestSchema.parse({
    format: PACKAGE_FORMAT,
    version: PACKAGE_VERSION,
    name: 'tiny',
    architecture: withVision ? 'r4b' : 'qwen3',
    precision: 'fp32',
    text: {
      vocabSize: shape.vocabSize,
      hiddenSize,
      numLayers: shape.numLayers,
      numHeads: shape.numHeads,
      numKvHeads: shape.numKvHeads,
      headDim: shape.headDim,
      maxPositions: shape.maxPositions,
      ropeTheta: 100,
      tiedEmbeddings: false,
    },
    vision: withVision
      ? {
          tileSize,
          patchSize,
          patchesPerSide,
          numLayers: 1,
          hiddenSize,
          gridPinpoints: [[tileSize, tileSize]],
          resample: 'bicubic',
        }
      : null,
    tokens: { image: withVision ? 0 : null, eos: [1] },
    graphs: {
      vision: withVision ? 'vision.onnx' : null,
      embed: 'embed.onnx',
      decoder: 'decoder.onnx',
    },
    imageNewline: withVision ? 'newline.bin' : null,
    chat: { template: 'template.jinja', contentFormat: 'string', imagePlaceholder: null },
    tokenizer: 'tokenizer.json',
    sampling: { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1 },
    thinking: {
      name: 'tiny',
      tags: { open: '<think>', close: '</think>' },
      defaultMode: 'auto',
      modes: { auto: {} },
      decide: { by: 'prompt' },
      history: { thinking: 'drop' },
      budget: { exit: '</think>' },
      evidence: 'seen',
    },
    provenance: {
      tool: 'test',
      architectures: [],
      modelType: 'tiny',
      storedDtypes: ['F32'],
      numParameters: 1,
      notes: [],
    },
    files: [file],
  });
}
