/** Graphs for one measurement: written to a scratch folder, run, and removed. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backend, Session, TensorView } from '../../../engine/runtime/session.ts';
import type { BlockSize } from '../../../package/manifest.ts';
import type { ModelTensors } from '../../checkpoint/match-tensors.ts';
import type { GraphBuilder } from '../../onnx/graph-builder.ts';
import { DataFile } from '../../weights/data-file.ts';
import { WeightStore } from '../../weights/weight-store.ts';

export interface TemporaryGraphs {
  readonly backend: Backend;
  /** Scratch folder; created and removed for every run. */
  readonly scratchDir: string;
  readonly numThreads: number;
  readonly blockSize: BlockSize;
  readonly signal?: AbortSignal | undefined;
}

export interface GraphRun {
  readonly feeds: Readonly<Record<string, TensorView>>;
  readonly fetches: Readonly<Record<string, TensorView>>;
}

/** Builds a graph over the given weights, and its runs. */
export type GraphJob = (weights: WeightStore) => {
  readonly graph: GraphBuilder;
  readonly runs: readonly GraphRun[];
};

/**
 * Builds graphs over some tensors, runs them, and deletes them. The graphs share common weights, and one is loaded at
 * once. The fetches hold the results.
 */
export async function runTemporaryGraphs(
  { backend, scratchDir, numThreads, blockSize, signal }: TemporaryGraphs,
  tensors: ModelTensors,
  jobs: readonly GraphJob[],
): Promise<void> {
  await mkdir(scratchDir);
  let session: Session | undefined;
  try {
    const file = new DataFile('weights.data');
    const weights = new WeightStore({
      ...{ tensors, file, blockSize },
      onError: () => {},
      measure: false,
    });
    const built = jobs.map((job) => job(weights));
    await file.write(scratchDir, { signal });
    const path = join(scratchDir, 'graph.onnx');
    for (const { graph, runs } of built) {
      await writeFile(path, graph.encode('thinkgate convert --report'));
      session = await backend.createSession(path, { numThreads });
      for (const { feeds, fetches } of runs) await session.run(feeds, fetches, signal);
      await session.dispose();
      session = undefined;
    }
  } finally {
    await session?.dispose();
    await rm(scratchDir, { recursive: true, force: true });
  }
}
