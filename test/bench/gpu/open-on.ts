import type { ModelRunner } from '../../../src/engine/model-runner.ts';
import { openBackend } from '../../../src/engine/runtime/backend.ts';
import { openModelRunner } from '../../../src/engine/runtime/onnx-model-runner.ts';
import { graphsFor } from '../../../src/engine/runtime/package-graphs.ts';
import type { Backend } from '../../../src/engine/runtime/session.ts';
import type { Manifest } from '../../../src/package/manifest.ts';
import { readPackage } from '../../../src/package/read-package.ts';

export const DEVICES = ['cpu', 'webgpu', 'cuda'] as const;
export type DeviceName = (typeof DEVICES)[number];

export interface RunnerJob {
  readonly device: DeviceName;
  readonly packageDir: string;
  readonly threads: number;
  readonly numSlots: number;
  readonly slotCapacity: number;
}

export interface OpenedRunner {
  readonly runner: ModelRunner;
  readonly manifest: Manifest;
  /** Name of the decoder's file among the package's. */
  readonly decoderFile: string;
}

/** @throws RuntimeError that says what is missing where the device cannot be used */
export async function openOn(device: DeviceName): Promise<Backend> {
  const { backend } = await openBackend('ffi', { preference: device, id: 0, memoryLimit: null });
  return backend;
}

export async function openRunnerOn(job: RunnerJob): Promise<OpenedRunner> {
  const { device, packageDir, threads, numSlots, slotCapacity } = job;
  const { manifest } = await readPackage(packageDir);
  const backend = await openOn(device);
  const runner = await openModelRunner({
    packageDir,
    manifest,
    backend,
    numThreads: threads,
    numSlots,
    slotCapacity,
  });
  return {
    runner,
    manifest,
    decoderFile: graphsFor(manifest, { device: backend.device, kvCache: 'fp32' }).decoder,
  };
}
