/** Builds the manifest from the config and the digests of the written files. */
import {
  type BlockSize,
  DEFAULT_BLOCK_SIZE,
  type Manifest,
  manifestSchema,
  PACKAGE_FORMAT,
  PACKAGE_VERSION,
  type Precision,
  type StreamType,
} from '../package/manifest.ts';
import type { Protocol } from '../package/protocol.ts';
import type { ModelTensors } from './checkpoint/match-tensors.ts';
import { detectContentFormat, detectToolCalls } from './config/chat-template.ts';
import type { ModelConfig } from './config/model-config.ts';
import { GPU_GRAPH_FILES, GRAPH_FILES, PREFILL_GRAPH_FILES } from './onnx/model-graphs.ts';
import type { FileDigest } from './weights/data-file.ts';

export const TEMPLATE_FILE = 'chat_template.jinja';
export const TOKENIZER_FILE = 'tokenizer.json';
export const NEWLINE_FILE = 'image_newline.f32';

export interface ManifestParts {
  readonly name: string;
  readonly producer: string;
  readonly precision: Precision;
  readonly blockSize: BlockSize;
  /** null when the package has no GPU graphs. */
  readonly gpu: { readonly stream: StreamType } | null;
  /** Whether the package has a prefill graph. */
  readonly prefill: boolean;
  readonly config: ModelConfig;
  readonly tensors: ModelTensors;
  readonly protocol: Protocol;
  readonly notes: readonly string[];
  readonly files: readonly FileDigest[];
}

export function buildManifest(parts: ManifestParts): Manifest {
  const { config, tensors } = parts;
  const { vision } = config;
  const imagePlaceholder = vision?.image.placeholder ?? null;
  return manifestSchema.parse({
    format: PACKAGE_FORMAT,
    version: PACKAGE_VERSION,
    name: parts.name,
    architecture: config.architecture,
    precision: parts.precision,
    ...(parts.blockSize === DEFAULT_BLOCK_SIZE ? {} : { blockSize: parts.blockSize }),
    text: textShape(config, tensors.tied),
    vision: vision && visionShape(vision),
    tokens: { image: vision?.image.tokenId ?? null, eos: config.eosTokenIds },
    graphs: { ...GRAPH_FILES, vision: vision && GRAPH_FILES.vision },
    ...(parts.gpu && { gpu: { ...GPU_GRAPH_FILES, vision: vision && GPU_GRAPH_FILES.vision } }),
    ...(parts.gpu?.stream === 'float16' && { gpuStream: parts.gpu.stream }),
    ...(parts.prefill && { prefill: PREFILL_GRAPH_FILES }),
    imageNewline: vision && NEWLINE_FILE,
    chat: {
      template: TEMPLATE_FILE,
      contentFormat: detectContentFormat(config.chatTemplate, imagePlaceholder),
      imagePlaceholder,
      toolCalls: detectToolCalls(config.chatTemplate),
    },
    tokenizer: TOKENIZER_FILE,
    sampling: config.sampling,
    thinking: parts.protocol,
    provenance: {
      tool: parts.producer,
      architectures: config.architectures,
      modelType: config.modelType,
      storedDtypes: tensors.storedDtypes,
      numParameters: tensors.numParameters,
      notes: parts.notes,
    },
    files: parts.files,
  });
}

function textShape({ text }: ModelConfig, tiedEmbeddings: boolean): Manifest['text'] {
  const { vocabSize, hiddenSize, numLayers, numHeads, numKvHeads, headDim } = text;
  const { maxPositions, ropeTheta } = text;
  return {
    vocabSize,
    hiddenSize,
    numLayers,
    numHeads,
    numKvHeads,
    headDim,
    maxPositions,
    ropeTheta,
    tiedEmbeddings,
  };
}

function visionShape({ tower, image }: NonNullable<ModelConfig['vision']>): Manifest['vision'] {
  return {
    tileSize: tower.imageSize,
    patchSize: tower.patchSize,
    patchesPerSide: tower.patchesPerSide,
    numLayers: tower.numLayersUsed,
    hiddenSize: tower.hiddenSize,
    gridPinpoints: image.gridPinpoints.map(([height, width]) => [height, width]),
    resample: image.resample,
  };
}
