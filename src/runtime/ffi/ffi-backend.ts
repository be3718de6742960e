import { type Backend, RuntimeError, type Session } from '../session.ts';
import { type OrtRuntime, openFfiSession } from './ffi-session.ts';
import { OrtApi } from './ort-api.ts';
import { ARENA_ALLOCATOR, LOG_LEVEL_ERROR, MEMORY_DEFAULT } from './ort-functions.ts';
import { findOrtLibrary } from './ort-library.ts';
import { selfTest } from './self-test.ts';

let shared: Promise<Backend> | undefined;

/**
 * ONNX Runtime's C API over FFI. There is one per process: the library keeps one environment for all, and it stays
 * until the process ends.
 * @throws RuntimeError when the library cannot be loaded or fails its self-test
 */
export function openFfiBackend(): Promise<Backend> {
  shared ??= open();
  return shared;
}

async function open(): Promise<Backend> {
  const api = new OrtApi(findOrtLibrary());
  const runtime: OrtRuntime = {
    api,
    environment: api.out('CreateEnv', LOG_LEVEL_ERROR, 'thinkgate'),
    cpuMemory: api.out('CreateCpuMemoryInfo', ARENA_ALLOCATOR, MEMORY_DEFAULT),
    allocator: api.out('GetAllocatorWithDefaultOptions'),
  };
  await selfTest(runtime);
  return {
    name: 'ffi',
    version: api.version,
    createSession: (modelPath, options): Promise<Session> =>
      openFfiSession(runtime, modelPath, options).catch((error: unknown) => {
        throw new RuntimeError(`${modelPath} cannot be loaded: ${messageOf(error)}`);
      }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
