import { createHash } from 'node:crypto';
import { z } from 'zod';
import { profilesSchema } from './profile.ts';
import { protocolSchema } from './protocol.ts';

export const MANIFEST_FILE = 'manifest.json';
export const PACKAGE_FORMAT = 'thinkgate-package';
export const PACKAGE_VERSION = 1;
/** Tool call formats that the server parses. */
export const TOOL_CALL_FORMATS = ['hermes'] as const;
/** Block sizes of block-wise int8 and int4 quantisation: weights that share one scale. */
export const BLOCK_SIZES = [32, 64, 128] as const;
export type BlockSize = (typeof BLOCK_SIZES)[number];
export const DEFAULT_BLOCK_SIZE = 32;
/** Kinds of prefill graph: `int8` has int8 linears. */
export const PREFILL_FORMS = ['int8'] as const;
export type PrefillForm = (typeof PREFILL_FORMS)[number];
/** Element types of the KV cache that a server can use. */
export const KV_CACHE_KINDS = ['fp32', 'int8'] as const;
export const PRECISIONS = ['fp32', 'fp16', 'int8', 'int4'] as const;

const count = z.int().min(1);
const tokenId = z.int().min(0);

const textSchema = z.strictObject({
  vocabSize: count,
  hiddenSize: count,
  numLayers: count,
  numHeads: count,
  numKvHeads: count,
  headDim: count,
  /** Longest sequence (prompt and output together) the position table covers. */
  maxPositions: count,
  ropeTheta: z.number().positive(),
  tiedEmbeddings: z.boolean(),
});

const visionSchema = z.strictObject({
  /** Side of a square tile in pixels. */
  tileSize: count,
  patchSize: count,
  /** Patches along one side of a tile; a tile gives patchesPerSide² features. */
  patchesPerSide: count,
  numLayers: count,
  hiddenSize: count,
  /** AnyRes grid candidates as [height, width] in pixels, in the checkpoint's order (the first wins a full tie). */
  gridPinpoints: z.array(z.tuple([count, count])).min(1),
  resample: z.enum(['bicubic', 'bilinear']),
});

const fileSchema = z.strictObject({
  path: z.string().min(1),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Types of the residual stream in the GPU graphs. */
export const STREAM_TYPES = ['float32', 'float16'] as const;

const graphsSchema = z.strictObject({
  vision: z.string().nullable(),
  embed: z.string(),
  decoder: z.string(),
});

/** Everything the server needs to know about a model, and the sha256 of every file it reads. */
export const manifestSchema = z.strictObject({
  format: z.literal(PACKAGE_FORMAT),
  version: z.literal(PACKAGE_VERSION),
  name: z.string().min(1),
  architecture: z.enum(['r4b', 'qwen3']),
  precision: z.enum(PRECISIONS),
  /** Weights per scale; absent for the default of 32. */
  blockSize: z.literal(BLOCK_SIZES).optional(),
  text: textSchema,
  /** null for a text-only model. */
  vision: visionSchema.nullable(),
  tokens: z.strictObject({
    /** Id of the image placeholder token; null for a text-only model. */
    image: tokenId.nullable(),
    /** Generation ends at any of these. */
    eos: z.array(tokenId).min(1),
  }),
  /** Graphs with float32 activations and a float32 KV cache. */
  graphs: graphsSchema,
  /** The same graphs with float16 activations and a float16 KV cache, for GPUs; CPUs cannot run them. */
  gpu: graphsSchema.optional(),
  /** Type of the residual stream in the GPU graphs; float32 by default. */
  gpuStream: z.enum(STREAM_TYPES).optional(),
  /**
   * The prefill graph: a decoder that computes prompts faster than `graphs.decoder`. It has the same inputs, outputs
   * and float32 KV cache, and its own weights.
   */
  prefill: z.strictObject({ decoder: z.string() }).optional(),
  /**
   * The decoder, and the prefill graph if the package has one, with an int8 KV cache. They share the weights of the
   * graphs above. `thinkgate quantize-kv` adds them.
   */
  int8Kv: z.strictObject({ decoder: z.string(), prefill: z.string().optional() }).optional(),
  /** File with float32 little-endian [hiddenSize]; the vector ends every feature row of the tiled image. */
  imageNewline: z.string().nullable(),
  chat: z.strictObject({
    template: z.string(),
    /** Type of a message's content that the template expects: a list of typed parts, or one string. */
    contentFormat: z.enum(['parts', 'string']),
    /** Text that stands for one image in the rendered prompt; null for a text-only model. */
    imagePlaceholder: z.string().nullable(),
    /** Format in which the model writes tool calls; null when the server does not parse it. */
    toolCalls: z.enum(TOOL_CALL_FORMATS).nullable().default('hermes'),
  }),
  tokenizer: z.string(),
  /** Sampling defaults from the checkpoint's generation_config.json. Temperature 0 is greedy. */
  sampling: z.strictObject({
    temperature: z.number().min(0),
    topP: z.number().gt(0).max(1),
    topK: z.int().min(0),
    repetitionPenalty: z.number().positive(),
  }),
  thinking: protocolSchema,
  /** Calibrated thresholds by name; `thinkgate calibrate` writes them. */
  profiles: profilesSchema.optional(),
  provenance: z.strictObject({
    tool: z.string(),
    architectures: z.array(z.string()),
    modelType: z.string(),
    storedDtypes: z.array(z.string()),
    numParameters: count,
    /** Differences between the checkpoint and what the converter expects of its family. */
    notes: z.array(z.string()),
  }),
  /** Every file of the package except the manifest. */
  files: z.array(fileSchema).min(1),
});

export type Manifest = z.output<typeof manifestSchema>;
export type KvCacheKind = (typeof KV_CACHE_KINDS)[number];
export type Precision = Manifest['precision'];
export type StreamType = (typeof STREAM_TYPES)[number];
export type ToolCallFormat = (typeof TOOL_CALL_FORMATS)[number];
export type VisionShape = z.output<typeof visionSchema>;
export type TextShape = z.output<typeof textSchema>;

/**
 * A short identifier of the package's behaviour. Packages with the same files, protocol and special tokens have the
 * same digest; the name and the profiles do not count.
 */
export function packageDigest({ files, thinking, tokens }: Manifest): string {
  const listed = files.map(({ path, sha256 }) => [path, sha256]).sort();
  const content = JSON.stringify([listed, thinking, tokens]);
  return createHash('sha256').update(content).digest('hex').slice(0, 12);
}
