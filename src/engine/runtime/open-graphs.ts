import { join } from 'node:path';
import type { KvCacheKind, Manifest } from '../../package/manifest.ts';
import { Decoder } from './decoder.ts';
import { checkGraph, type GraphKind } from './graph-check.ts';
import { type Backend, RuntimeError, type Session } from './session.ts';
import { readNewline, VisionEncoder } from './vision-encoder.ts';

export interface GraphOptions {
  /** Folder of the model package. */
  readonly packageDir: string;
  readonly manifest: Manifest;
  readonly backend: Backend;
  /** Threads inside one operator. */
  readonly numThreads: number;
  /** Whether prompts are computed by a decoder of their own, where the package has one; true by default. */
  readonly prefillGraph?: boolean;
  /** As what keys and values are kept; fp32 unless given. */
  readonly kvCache?: KvCacheKind | undefined;
}

export interface Disposable {
  dispose(): Promise<void>;
}

/** Opens one of the package's graphs and adds it to what has been opened. */
export async function openGraph(
  options: GraphOptions,
  { kind, file }: { kind: GraphKind; file: string },
  opened: Disposable[],
): Promise<Session> {
  const { packageDir, manifest, backend, numThreads } = options;
  const session = await backend.createSession(join(packageDir, file), {
    // A look-up of rows has nothing to share out between threads.
    numThreads: kind === 'embed' ? 1 : numThreads,
    keepBindings: kind !== 'vision',
    restsBetweenRuns: kind === 'vision' || kind === 'prefill',
  });
  opened.push(session);
  checkGraph(session, { kind, file, numLayers: manifest.text.numLayers });
  return session;
}

/** The decoder for prompts, on the CPU; it fills the same cache as the other. */
export async function openPrefill(
  options: GraphOptions,
  opened: Disposable[],
): Promise<Decoder | undefined> {
  const { manifest, backend, prefillGraph = true, kvCache = 'fp32' } = options;
  const file = kvCache === 'int8' ? manifest.int8Kv?.prefill : manifest.prefill?.decoder;
  if (!prefillGraph || file === undefined || backend.device !== null) return undefined;
  const session = await openGraph(options, { kind: 'prefill', file }, opened);
  return new Decoder(session, 1, manifest.text);
}

/** The vision graph with the newline feature; undefined for a text-only model. */
export async function openVision(
  options: GraphOptions,
  file: string | null,
  opened: Disposable[],
): Promise<VisionEncoder | undefined> {
  const { packageDir, manifest } = options;
  const { vision, imageNewline } = manifest;
  if (vision === null || file === null) return undefined;
  if (imageNewline === null) throw new RuntimeError('The package has no newline feature.');
  const { hiddenSize } = manifest.text;
  const newline = await readNewline(join(packageDir, imageNewline), hiddenSize);
  const session = await openGraph(options, { kind: 'vision', file }, opened);
  return new VisionEncoder({ session, vision, hiddenSize, newline });
}
