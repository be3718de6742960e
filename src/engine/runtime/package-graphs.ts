/** Which of a package's graphs a runner uses, and how they are opened and checked. */
import { join } from 'node:path';
import { DECODER_IO, EMBED_IO, VISION_IO } from '../../package/graph-io.ts';
import type { KvCacheKind, Manifest } from '../../package/manifest.ts';
import { type Backend, type Device, RuntimeError, type Session } from './session.ts';

export interface GraphOptions {
  /** Folder of the model package. */
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly backend: Backend;
  /** Threads inside one operator. */
  readonly numThreads: number;
  /** Whether the package's prefill graph computes prompts, if it has one; true by default. */
  readonly prefillGraph?: boolean;
  /** Element type of the KV cache; fp32 by default. */
  readonly kvCache?: KvCacheKind | undefined;
}

export type GraphKind = 'vision' | 'embed' | 'decoder' | 'prefill';

/**
 * Returns the graphs for a device and KV cache. A device that computes in float16 gets the package's float16 graphs.
 * WebGPU can also run the CPU's graphs; CUDA has no attention kernel for their float32. An int8 KV cache has a decode
 * graph of its own, for the CPU.
 * @param on.device null for the CPU
 * @throws RuntimeError when the package lacks such graphs
 */
export function graphsFor(
  { graphs, gpu, int8Kv }: Manifest,
  on: { readonly device: Device | null; readonly kvCache: KvCacheKind },
): Manifest['graphs'] {
  const { device, kvCache } = on;
  if (kvCache === 'int8') {
    if (device !== null)
      throw new RuntimeError(`An int8 KV cache runs on the CPU only, not on ${device.kind}.`);
    if (int8Kv !== undefined) return { ...graphs, decoder: int8Kv.decoder };
    throw new RuntimeError('The package has no decode graph for an int8 KV cache.');
  }
  if (device === null) return graphs;
  if (gpu !== undefined && device.hasFloat16) return gpu;
  if (device.kind === 'webgpu') return graphs;
  throw new RuntimeError(
    gpu === undefined
      ? 'The package has no float16 graphs, and CUDA has no attention in float32: convert the checkpoint again, as fp16, int8 or int4 and without --no-gpu.'
      : 'The CUDA device does not compute in float16.',
  );
}

/**
 * Returns the file of the prefill graph: the int8 graph that computes prompts on the CPU and fills the same KV cache as
 * the decode graph. Returns undefined when the decode graph computes prompts.
 */
export function prefillFile(options: GraphOptions): string | undefined {
  const { manifest, backend, prefillGraph = true, kvCache = 'fp32' } = options;
  if (!prefillGraph || backend.device !== null) return undefined;
  return kvCache === 'int8' ? manifest.int8Kv?.prefill : manifest.prefill?.decoder;
}

/**
 * Opens a graph of the package.
 * @throws RuntimeError when the graph cannot be loaded or has other inputs and outputs than its kind
 */
export async function openGraph(
  { packageDir, manifest, backend, numThreads }: GraphOptions,
  { kind, file }: { readonly kind: GraphKind; readonly file: string },
): Promise<Session> {
  const session = await backend.createSession(join(packageDir, file), {
    // A look-up of rows has no work to share between threads.
    numThreads: kind === 'embed' ? 1 : numThreads,
    keepBindings: kind !== 'vision',
    restsBetweenRuns: kind === 'vision' || kind === 'prefill',
  });
  try {
    checkNames(session, { kind, file, numLayers: manifest.text.numLayers });
  } catch (error) {
    await session.dispose();
    throw error;
  }
  return session;
}

/** Rejects a graph without exactly the tensors of its kind, before the first request runs it. */
function checkNames(
  session: Session,
  { kind, file, numLayers }: { kind: GraphKind; file: string; numLayers: number },
): void {
  const { inputs, outputs } = expectedNames(kind, numLayers);
  compare(`${file}'s inputs`, session.inputNames, inputs);
  compare(`${file}'s outputs`, session.outputNames, outputs);
}

function expectedNames(
  kind: GraphKind,
  numLayers: number,
): { readonly inputs: readonly string[]; readonly outputs: readonly string[] } {
  if (kind === 'vision') return { inputs: [VISION_IO.tiles], outputs: [VISION_IO.features] };
  if (kind === 'embed') return { inputs: [EMBED_IO.inputIds], outputs: [EMBED_IO.embeddings] };
  const layers = Array.from({ length: numLayers }, (_, layer) => layer);
  const { inputsEmbeds, seqlensK, totalSequenceLength, logitIndices, logits } = DECODER_IO;
  return {
    inputs: [
      inputsEmbeds,
      seqlensK,
      totalSequenceLength,
      logitIndices,
      ...layers.flatMap((layer) => [DECODER_IO.pastKey(layer), DECODER_IO.pastValue(layer)]),
    ],
    outputs: [
      logits,
      ...layers.flatMap((layer) => [DECODER_IO.presentKey(layer), DECODER_IO.presentValue(layer)]),
    ],
  };
}

function compare(what: string, found: readonly string[], expected: readonly string[]): void {
  const missing = expected.filter((name) => !found.includes(name));
  const extra = found.filter((name) => !expected.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  const differences = [
    ...(missing.length > 0 ? [`${missing.join(', ')} missing`] : []),
    ...(extra.length > 0 ? [`${extra.join(', ')} not expected`] : []),
  ];
  throw new RuntimeError(`${what} do not match the manifest: ${differences.join('; ')}.`);
}
