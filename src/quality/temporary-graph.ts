/** Graphs that exist only for a measurement: written to a scratch folder, run, and removed. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelTensors } from '../exporter/checkpoint/match-tensors.ts';
import type { GraphBuilder } from '../exporter/onnx/graph-builder.ts';
import { DataFile } from '../exporter/weights/data-file.ts';
import { WeightStore } from '../exporter/weights/weight-store.ts';
import type { BlockSize } from '../model-package/manifest.ts';
import type { Backend, Session, TensorView } from '../runtime/session.ts';

export interface TemporaryGraphs {
  readonly backend: Backend;
  /** Scratch folder; made and removed for every run. */
  readonly scratchDir: string;
  readonly numThreads: number;
  readonly blockSize: BlockSize;
  readonly signal?: AbortSignal | undefined;
}

export interface GraphRun {
  readonly feeds: Readonly<Record<string, TensorView>>;
  readonly fetches: Readonly<Record<string, TensorView>>;
}

/** Builds a graph over some tensors, runs it once per item, and forgets it. The fetches hold the results. */
export async function runTemporaryGraph(
  { backend, scratchDir, numThreads, blockSize, signal }: TemporaryGraphs,
  tensors: ModelTensors,
  build: (weights: WeightStore) => GraphBuilder,
  runs: readonly GraphRun[],
): Promise<void> {
  await mkdir(scratchDir);
  let session: Session | undefined;
  try {
    const file = new DataFile('weights.data');
    const weights = new WeightStore({
      tensors,
      file,
      blockSize,
      onError: () => {},
      measure: false,
    });
    const graph = build(weights);
    await file.write(scratchDir, { signal });
    const path = join(scratchDir, 'graph.onnx');
    await writeFile(path, graph.encode('thinkgate convert --report'));
    session = await backend.createSession(path, { numThreads });
    for (const { feeds, fetches } of runs) await session.run(feeds, fetches, signal);
  } finally {
    await session?.dispose();
    await rm(scratchDir, { recursive: true, force: true });
  }
}
