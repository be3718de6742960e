import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import {
  type BlockSize,
  DEFAULT_BLOCK_SIZE,
  MANIFEST_FILE,
  type Manifest,
  type Precision,
  type PrefillForm,
  type StreamType,
} from '../package/manifest.ts';
import type { Protocol } from '../package/protocol.ts';
import { buildManifest, NEWLINE_FILE, TEMPLATE_FILE, TOKENIZER_FILE } from './build-manifest.ts';
import { openCheckpointWeights } from './checkpoint/checkpoint-weights.ts';
import { IMAGE_NEWLINE } from './checkpoint/expected-tensors.ts';
import { type ModelTensors, matchTensors } from './checkpoint/match-tensors.ts';
import { chooseProtocol } from './choose-protocol.ts';
import { readOptionalText } from './config/json-file.ts';
import { type ModelConfig, readModelConfig } from './config/model-config.ts';
import { ConvertError } from './convert-error.ts';
import { type ModelGraphs, modelGraphs } from './onnx/model-graphs.ts';
import { PackageFiles } from './package-files.ts';
import type { StorageError } from './quantization/storage-error.ts';

/**
 * Converts a Hugging Face checkpoint folder into a model package.
 *
 * Precisions. On CPUs, inputs, outputs and all arithmetic outside the linears are float32.
 * - fp32: linears are stored transposed, so MatMul needs no transposition. Embedding and head are not transposed, so a
 *   tied pair is stored once.
 * - fp16: the same layout in half precision, rounded to nearest even; a Cast in the graph widens it.
 * - int8, int4: symmetric block-wise quantisation of decoder linears, head and embedding
 *   (quantization/block-quantizer.ts). Linears of the vision tower and the projector have 8 bits in both. Convolution,
 *   position embeddings, norms and biases are float32.
 *
 * Every precision except fp32 also gets GPU graphs over the same weights (onnx/graph-target.ts), unless `gpu` is false.
 * They let a package run on any device and add little: 2 bytes for every block of an int4 or int8 package, and almost
 * nothing to an fp16 package.
 *
 * A prefill graph (`prefill`) adds one byte for every weight of the decoder's linears, on disk and in memory.
 *
 * Conversion is deterministic: nothing in a package depends on time, path or machine.
 */

const PRODUCER = 'thinkgate convert';
const GENERATION_FILE = 'generation_config.json';

export interface ConvertProgress {
  readonly phase: 'checking' | 'writing' | 'finishing';
  /** Bytes of the checkpoint's weights. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** The tensor being written; null in the other phases. */
  readonly tensor: string | null;
}

export interface ConvertOptions {
  readonly checkpointDir: string;
  readonly outDir: string;
  readonly precision: Precision;
  /** Block size of an int8 or int4 decoder, head and embedding; 32 by default. */
  readonly blockSize?: BlockSize | undefined;
  /** Adds GPU graphs to a package of 16 bits or fewer; true by default. */
  readonly gpu?: boolean | undefined;
  /** Type of the residual stream in the GPU graphs; float32 by default. */
  readonly gpuStream?: StreamType | undefined;
  /** Adds a prefill graph with its own weights (quantization/int8-linears.ts); none by default. */
  readonly prefill?: PrefillForm | undefined;
  /** Name of the model; the package folder's name by default. */
  readonly name?: string | undefined;
  /** Name of a built-in thinking protocol; by default choose-protocol.ts chooses one. */
  readonly protocol?: string | undefined;
  /** Replaces an existing package. */
  readonly force?: boolean | undefined;
  readonly onProgress?: ((progress: ConvertProgress) => void) | undefined;
  /** Receives the error of every quantised tensor. Measuring it takes time. */
  readonly onStorageError?: ((error: StorageError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the package into a temporary folder and renames the folder at the end. A failed or aborted conversion leaves no
 * files behind.
 * @returns the manifest
 * @throws ConvertError with one sentence for the user; AbortError when `signal` fires
 */
export async function convertCheckpoint(options: ConvertOptions): Promise<Manifest> {
  options.onProgress?.({ phase: 'checking', doneBytes: 0, totalBytes: 0, tensor: null });
  const read = await readModelConfig(options.checkpointDir);
  const { protocol, notes } = chooseProtocol(options.protocol, read);
  const config = { ...read, notes: [...read.notes, ...notes] };
  const weights = await openCheckpointWeights(options.checkpointDir);
  try {
    const tensors = await matchTensors(config, weights.tensors);
    return await writePackage(options, { config, protocol, tensors });
  } finally {
    await weights.close();
  }
}

interface Model {
  readonly config: ModelConfig;
  readonly protocol: Protocol;
  readonly tensors: ModelTensors;
}

function isInBlocks(precision: Precision): boolean {
  return precision === 'int8' || precision === 'int4';
}

async function writePackage(options: ConvertOptions, model: Model): Promise<Manifest> {
  const { config, tensors } = model;
  const overflows: string[] = [];
  const onError = (error: StorageError): void => {
    if (error.overflows > 0) {
      overflows.push(`${error.overflows} values of ${error.name} are infinite in half precision.`);
    }
    options.onStorageError?.(error);
  };
  const measure = options.onStorageError !== undefined;
  const { precision, blockSize = DEFAULT_BLOCK_SIZE } = options;
  if (blockSize !== DEFAULT_BLOCK_SIZE && !isInBlocks(precision)) {
    throw new ConvertError(`--block-size ${blockSize}: ${precision} weights have no blocks.`);
  }
  const hasGpu = precision !== 'fp32' && (options.gpu ?? true);
  const gpu = hasGpu ? { stream: options.gpuStream ?? 'float32' } : null;
  const prefill = options.prefill !== undefined;
  const built = modelGraphs({
    ...{ config, tensors, precision, blockSize, gpu, prefill, onError, measure },
  });
  const dataBytes = built.dataFiles.reduce((sum, file) => sum + file.bytes, 0);
  const force = options.force ?? false;
  const files = await PackageFiles.create(options.outDir, { force, dataBytes });
  try {
    await writeGraphs(files, built, options);
    await copyTextFiles(files, options.checkpointDir, config);
    if (config.vision) await writeNewline(files, tensors);
    const manifest = buildManifest({
      ...model,
      name: options.name ?? basename(resolve(options.outDir)),
      producer: PRODUCER,
      precision,
      blockSize,
      gpu,
      prefill,
      notes: [...config.notes, ...tensors.notes, ...overflows],
      files: files.digests,
    });
    await files.write(MANIFEST_FILE, `${JSON.stringify(manifest, null, 2)}\n`);
    options.signal?.throwIfAborted();
    await files.commit();
    return manifest;
  } catch (error) {
    await files.discard();
    throw error;
  }
}

async function writeGraphs(
  files: PackageFiles,
  { graphs, dataFiles }: ModelGraphs,
  { onProgress, signal }: ConvertOptions,
): Promise<void> {
  const totalBytes = dataFiles.reduce((sum, file) => sum + file.sourceBytes, 0);
  let finishedBytes = 0;
  for (const file of dataFiles) {
    const digest = await file.write(files.dir, {
      signal,
      onProgress: ({ label: tensor, sourceBytes }, share) => {
        const doneBytes = finishedBytes + Math.round(share * sourceBytes);
        if (share === 1) finishedBytes = doneBytes;
        onProgress?.({ phase: 'writing', doneBytes, totalBytes, tensor });
      },
    });
    files.add(digest);
  }
  onProgress?.({ phase: 'finishing', doneBytes: finishedBytes, totalBytes, tensor: null });
  for (const [name, graph] of graphs) await files.write(name, graph.encode(PRODUCER));
}

async function copyTextFiles(files: PackageFiles, dir: string, config: ModelConfig): Promise<void> {
  await files.write(TOKENIZER_FILE, await readFile(join(dir, TOKENIZER_FILE)));
  await files.write(TEMPLATE_FILE, config.chatTemplate);
  const generation = await readOptionalText(dir, GENERATION_FILE);
  if (generation !== undefined) await files.write(GENERATION_FILE, generation);
}

async function writeNewline(files: PackageFiles, tensors: ModelTensors): Promise<void> {
  const tensor = tensors.get(IMAGE_NEWLINE);
  const values = await tensor.read(0, tensor.numElements);
  await files.write(NEWLINE_FILE, new Uint8Array(values.buffer));
}
