/** Runs a package's graphs through onnxruntime-node itself, on any execution provider. */
import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { RandomCheckpoint } from './random-checkpoint.ts';

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
  const logits: Float32Array[] = [];
  let cache = emptyCache(options, 64);
  for (let start = 0; start < tokens.length; ) {
    const end = start < prefix ? prefix : start + 1;
    const ids = BigInt64Array.from(tokens.slice(start, end), BigInt);
    const { embeddings } = await embed.run({ input_ids: new ort.Tensor('int64', ids) });
    const hidden = checkpoint.text.hiddenSize;
    const rows = BigInt64Array.from({ length: end - start }, (_, i) => BigInt(i));
    const outputs = await decoder.run({
      ...cache,
      inputs_embeds: new ort.Tensor('float32', floats(embeddings), [1, end - start, hidden]),
      seqlens_k: new ort.Tensor('int32', Int32Array.of(end - 1)),
      total_sequence_length: new ort.Tensor('int32', Int32Array.of(end), []),
      logit_indices: new ort.Tensor('int64', rows),
    });
    const flat = floats(outputs['logits']);
    for (let i = 0; i < flat.length; i += checkpoint.vocabSize) {
      logits.push(flat.slice(i, i + checkpoint.vocabSize));
    }
    cache = Object.fromEntries(
      Object.keys(cache).map((name) => [name, outputs[name.replace('past', 'present')]!]),
    );
    start = end;
  }
  await embed.release();
  await decoder.release();
  return logits;
}

/** @param tiles uint8 [n, side, side, 3] @returns features, float32 [n, featuresPerTile, hiddenSize] */
export async function runVision(
  dir: string,
  options: GraphRunOptions & { readonly tiles: Uint8Array; readonly side: number },
): Promise<Float32Array> {
  const { tiles, side } = options;
  const vision = await open(dir, options);
  const dims = [tiles.length / (side * side * 3), side, side, 3];
  const { features } = await vision.run({ tiles: new ort.Tensor('uint8', tiles, dims) });
  await vision.release();
  return floats(features);
}

function open(dir: string, { file, provider = 'cpu' }: GraphRunOptions) {
  return ort.InferenceSession.create(join(dir, file), {
    executionProviders: [provider],
    logSeverityLevel: 3,
  });
}

function emptyCache(
  { checkpoint: { text }, cache: type }: DecoderRunOptions,
  capacity: number,
): Record<string, ort.Tensor> {
  const cache: Record<string, ort.Tensor> = {};
  const dims = [1, text.numKvHeads, capacity, text.headDim];
  const size = text.numKvHeads * capacity * text.headDim;
  for (let layer = 0; layer < text.numLayers; layer++) {
    for (const kind of ['key', 'value']) {
      cache[`past_${kind}.${layer}`] =
        type === 'float32'
          ? new ort.Tensor('float32', new Float32Array(size), dims)
          : new ort.Tensor('float16', new Uint16Array(size), dims);
    }
  }
  return cache;
}

/** A fetched tensor as the float32 values it must hold. */
export function floats(tensor: ort.Tensor | undefined): Float32Array {
  assert.ok(tensor?.data instanceof Float32Array);
  return tensor.data;
}
