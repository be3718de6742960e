/** Runs a package's graphs outside a model runner, on the CPU or on WebGPU. */
import { join } from 'node:path';
import { openBackend } from '../../src/engine/runtime/backend.ts';
import { ON_CPU } from '../../src/engine/runtime/device-request.ts';
import type { Backend, Session, TensorView } from '../../src/engine/runtime/session.ts';
import { DECODER_IO, EMBED_IO, VISION_IO } from '../../src/package/graph-io.ts';
import type { RandomCheckpoint } from './random-checkpoint.ts';

/** Positions of the KV cache. */
const CAPACITY = 64;

export interface GraphRunOptions {
  /** The graph's file within `dir`. */
  readonly file: string;
  readonly provider?: 'cpu' | 'webgpu';
}

export interface DecoderRunOptions extends GraphRunOptions {
  readonly checkpoint: RandomCheckpoint;
  readonly tokens: readonly number[];
  /** Tokens that are prefilled together; the rest are decoded one by one. */
  readonly prefix: number;
  readonly cache: 'float32' | 'float16';
  /** The embedding's file within `dir`. */
  readonly embed?: string;
}

/** @returns the logits after every token, each float32 [vocabSize] */
export async function runDecoder(dir: string, options: DecoderRunOptions): Promise<Float32Array[]> {
  const { checkpoint, tokens, prefix } = options;
  const embed = await open(dir, { file: options.embed ?? 'embed.onnx' });
  const decoder = await open(dir, options);
  const cache = emptyCache(options);
  const logits: Float32Array[] = [];
  for (let start = 0; start < tokens.length; ) {
    const end = start < prefix ? prefix : start + 1;
    const embeddings = await runEmbed(embed, tokens.slice(start, end), checkpoint.text.hiddenSize);
    const step = new Float32Array((end - start) * checkpoint.vocabSize);
    await decoder.run(
      {
        ...cache.feeds,
        [DECODER_IO.inputsEmbeds]: { ...embeddings, dims: [1, ...embeddings.dims] },
        [DECODER_IO.seqlensK]: { type: 'int32', dims: [1], data: Int32Array.of(end - 1) },
        [DECODER_IO.totalSequenceLength]: { type: 'int32', dims: [], data: Int32Array.of(end) },
        [DECODER_IO.logitIndices]: int64s(Array.from({ length: end - start }, (_, row) => row)),
      },
      {
        ...cache.fetches,
        [DECODER_IO.logits]: {
          type: 'float32',
          dims: [end - start, checkpoint.vocabSize],
          data: step,
        },
      },
    );
    for (let at = 0; at < step.length; at += checkpoint.vocabSize) {
      logits.push(step.slice(at, at + checkpoint.vocabSize));
    }
    start = end;
  }
  await embed.dispose();
  await decoder.dispose();
  return logits;
}

/** @returns the tokens' embeddings, float32 [tokens.length * hiddenSize] */
export async function runEmbedding(
  dir: string,
  options: GraphRunOptions & { readonly tokens: readonly number[]; readonly hiddenSize: number },
): Promise<Float32Array> {
  const embed = await open(dir, options);
  const { data } = await runEmbed(embed, options.tokens, options.hiddenSize);
  await embed.dispose();
  return data;
}

/**
 * @param tiles uint8 [n, side, side, 3]
 * @returns features, float32 [n * featuresPerTile * hiddenSize]
 */
export async function runVision(
  dir: string,
  options: GraphRunOptions & {
    readonly checkpoint: RandomCheckpoint;
    readonly tiles: Uint8Array;
  },
): Promise<Float32Array> {
  const { checkpoint, tiles } = options;
  const { imageSize: side, patchSize } = checkpoint.vision!;
  const numTiles = tiles.length / (side * side * 3);
  const dims = [numTiles, Math.floor(side / patchSize) ** 2, checkpoint.text.hiddenSize];
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  const vision = await open(dir, options);
  await vision.run(
    { [VISION_IO.tiles]: { type: 'uint8', dims: [numTiles, side, side, 3], data: tiles } },
    { [VISION_IO.features]: { type: 'float32', dims, data } },
  );
  await vision.dispose();
  return data;
}

async function open(dir: string, { file, provider = 'cpu' }: GraphRunOptions): Promise<Session> {
  const backend = await backendOn(provider);
  return backend.createSession(join(dir, file), { numThreads: 2 });
}

/** On the CPU the reference binding; WebGPU is open to FFI only. */
async function backendOn(provider: 'cpu' | 'webgpu'): Promise<Backend> {
  const { backend } = await (provider === 'cpu'
    ? openBackend('node')
    : openBackend('ffi', { ...ON_CPU, preference: provider }));
  return backend;
}

async function runEmbed(embed: Session, tokens: readonly number[], hiddenSize: number) {
  const data = new Float32Array(tokens.length * hiddenSize);
  const embeddings = { type: 'float32', dims: [tokens.length, hiddenSize], data } as const;
  await embed.run({ [EMBED_IO.inputIds]: int64s(tokens) }, { [EMBED_IO.embeddings]: embeddings });
  return embeddings;
}

/** A KV cache of one slot that every run updates in place. */
function emptyCache({ checkpoint: { text }, cache: type }: DecoderRunOptions) {
  const dims = [1, text.numKvHeads, CAPACITY, text.headDim];
  const size = text.numKvHeads * CAPACITY * text.headDim;
  const zeros = (): TensorView => {
    const data = type === 'float32' ? new Float32Array(size) : new Uint16Array(size);
    return { type, dims, data };
  };
  const feeds: Record<string, TensorView> = {};
  const fetches: Record<string, TensorView> = {};
  for (let layer = 0; layer < text.numLayers; layer++) {
    const [keys, values] = [zeros(), zeros()];
    feeds[DECODER_IO.pastKey(layer)] = fetches[DECODER_IO.presentKey(layer)] = keys;
    feeds[DECODER_IO.pastValue(layer)] = fetches[DECODER_IO.presentValue(layer)] = values;
  }
  return { feeds, fetches };
}

function int64s(values: readonly number[]): TensorView {
  return { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) };
}
