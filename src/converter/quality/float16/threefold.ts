/** One graph run in three ways: what a checkpoint means, what a package makes of it, and what a GPU makes of that. */

import type { Precision, StreamType } from '../../../package/manifest.ts';
import type { ModelTensors } from '../../checkpoint/match-tensors.ts';
import { gpuTarget } from '../../graphs/gpu-target.ts';
import { CPU_TARGET, type GraphTarget } from '../../graphs/graph-context.ts';
import { GraphBuilder } from '../../onnx/graph-builder.ts';
import type { WeightStore } from '../../weights/weight-store.ts';
import { type GraphRun, runTemporaryGraphs, type TemporaryGraphs } from '../temporary-graph.ts';
import { EmulatedGraph, LARGEST_OUTPUT } from './emulated-graph.ts';

/** Something for each of the three ways. */
export interface Threefold<T> {
  /** The checkpoint's weights in float32. */
  readonly exact: T;
  /** The package's weights in float32. */
  readonly stored: T;
  /** The package's weights in float16, as on a GPU. */
  readonly half: T;
}

export const WAYS = ['exact', 'stored', 'half'] as const;

export interface ThreefoldGraph {
  /** Type of the residual stream in the GPU's graph. */
  readonly stream: StreamType;
  /** How the package stores this graph's linears. */
  readonly form: Precision;
  /** Adds the nodes to `graph`. */
  build(options: {
    readonly graph: GraphBuilder;
    readonly weights: WeightStore;
    readonly form: Precision;
    readonly target: GraphTarget;
  }): void;
}

/** How large the values got that a GPU holds in float16; of each run the magnitudes, in the order of the names. */
export interface Magnitudes {
  readonly names: readonly string[];
  readonly runs: readonly Float32Array[];
}

/** Runs the graph in each way on its own items, which hold the results afterwards. */
export async function runThreefold(
  graphs: TemporaryGraphs,
  tensors: ModelTensors,
  { form, stream, build }: ThreefoldGraph,
  runs: Threefold<readonly GraphRun[]>,
): Promise<Magnitudes> {
  // A CPU's attention leaves the norms of q and k to others.
  const target: GraphTarget = { ...gpuTarget(stream), headNorms: 'separate' };
  let names: readonly string[] = [];
  const magnitudes: Float32Array[] = [];
  const measuring = (run: GraphRun): GraphRun => {
    const data = new Float32Array(names.length);
    magnitudes.push(data);
    const largest = { type: 'float32', dims: [names.length], data } as const;
    return { feeds: run.feeds, fetches: { ...run.fetches, [LARGEST_OUTPUT]: largest } };
  };
  await runTemporaryGraphs(graphs, tensors, [
    (weights) => {
      const graph = new GraphBuilder('exact');
      build({ graph, weights, form: 'fp32', target: CPU_TARGET });
      return { graph, runs: runs.exact };
    },
    (weights) => {
      const graph = new EmulatedGraph('stored', 'float32');
      build({ graph, weights, form, target });
      names = graph.measured();
      return { graph, runs: runs.stored.map(measuring) };
    },
    (weights) => {
      const graph = new EmulatedGraph('half', 'float16');
      build({ graph, weights, form, target });
      return { graph, runs: runs.half };
    },
  ]);
  return { names, runs: magnitudes };
}

/** Room for the same number of float32 values in each way. */
export function threefoldRoom(length: number): Threefold<Float32Array> {
  return mapWays(() => new Float32Array(length));
}

export function mapWays<T>(make: (way: keyof Threefold<T>) => T): Threefold<T> {
  return { exact: make('exact'), stored: make('stored'), half: make('half') };
}
