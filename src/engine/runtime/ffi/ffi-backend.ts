import { type Backend, type Device, modelName, RuntimeError, type Session } from '../session.ts';
import { u8s8Saturates } from '../u8s8-saturation.ts';
import { openFfiDevice } from './ffi-device.ts';
import { type OrtRuntime, openFfiSession } from './ffi-session.ts';
import { OrtApi } from './ort-api.ts';
import { ARENA_ALLOCATOR, LOG_LEVEL_ERROR, MEMORY_DEFAULT } from './ort-functions.ts';
import { findOrtLibrary } from './ort-library.ts';
import type { Provider } from './providers.ts';
import { selfTest } from './self-test.ts';

let shared: Promise<OrtRuntime> | undefined;
/** By the settings of the execution provider. */
const backends = new Map<string, Promise<Backend>>();

/**
 * Opens ONNX Runtime's C API over FFI. There is one backend per process and execution provider. They share the
 * library's environment, which lives until the process ends.
 * @param provider the execution provider of all sessions; null for the CPU
 * @throws RuntimeError when the library or the provider cannot be loaded or fails its self-test
 */
export function openFfiBackend(provider: Provider | null): Promise<Backend> {
  const key = JSON.stringify(provider);
  const backend = backends.get(key) ?? open(provider);
  backends.set(key, backend);
  return backend;
}

async function open(provider: Provider | null): Promise<Backend> {
  shared ??= openRuntime();
  const base = await shared;
  if (provider === null) return createBackend(base, null);
  const { runtime, device } = await openFfiDevice(base, provider);
  return createBackend(runtime, device);
}

async function openRuntime(): Promise<OrtRuntime> {
  const api = new OrtApi(findOrtLibrary());
  const cpu = api.out('CreateCpuMemoryInfo', ARENA_ALLOCATOR, MEMORY_DEFAULT);
  const runtime: OrtRuntime = {
    api,
    environment: api.out('CreateEnv', LOG_LEVEL_ERROR, 'thinkgate'),
    memory: { cpu, device: null },
    allocator: api.out('GetAllocatorWithDefaultOptions'),
    provider: null,
    saturatesU8S8: false,
  };
  await selfTest(runtime);
  const saturatesU8S8 = await u8s8Saturates((model) =>
    openFfiSession(runtime, model, { numThreads: 1 }),
  );
  return { ...runtime, saturatesU8S8 };
}

function createBackend(runtime: OrtRuntime, device: Device | null): Backend {
  return {
    name: 'ffi',
    version: runtime.api.version,
    device,
    createSession: (model, options): Promise<Session> =>
      openFfiSession(runtime, model, options).catch((error: unknown) => {
        throw new RuntimeError(`${modelName(model)} cannot be loaded: ${messageOf(error)}`);
      }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
