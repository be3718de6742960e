import koffi from 'koffi';
import { type Device, type DeviceBuffer, RuntimeError } from '../session.ts';
import { longestRun, PROBE_CACHE_BYTES } from './attention-probe.ts';
import { type OrtRuntime, openFfiSession } from './ffi-session.ts';
import type { OrtApi, Pointer } from './ort-api.ts';
import { DEVICE_ALLOCATOR, MEMORY_DEFAULT } from './ort-functions.ts';
import { MEMORY_NAMES, type Provider } from './providers.ts';
import { deviceSelfTest, hasFloat16, openAddition, SELF_TEST_BYTES } from './self-test.ts';
import { listVulkanDevices } from './vulkan-devices.ts';

/** A device, and the runtime whose sessions compute on it. */
export interface DeviceRuntime {
  readonly runtime: OrtRuntime;
  readonly device: Device;
}

/**
 * Loads an execution provider, tests it with a sum in place in its own memory, and finds out what it can compute.
 * @param base the process' runtime on the CPU
 * @throws RuntimeError that says what is missing
 */
export async function openFfiDevice(base: OrtRuntime, provider: Provider): Promise<DeviceRuntime> {
  const { api } = base;
  const name = MEMORY_NAMES[provider.kind];
  const memory = api.out('CreateMemoryInfo', name, DEVICE_ALLOCATOR, provider.id, MEMORY_DEFAULT);
  const runtime: OrtRuntime = {
    ...base,
    memory: { cpu: base.memory.cpu, device: memory },
    provider,
  };
  exitAtOnce();
  // The device's memory is allocated through this session, so the session is never disposed.
  const session = await openAddition(runtime, 'float32');
  const allocator = session.allocator(memory);
  const allocate = (numBytes: number): DeviceBuffer =>
    new FfiDeviceBuffer(api, allocator, numBytes);
  const buffer = allocate(SELF_TEST_BYTES);
  await deviceSelfTest(session, buffer).finally(() => buffer.release());
  const device: Device = {
    kind: provider.kind,
    description: describe(provider),
    hasFloat16: await hasFloat16(runtime),
    longestRun: provider.kind === 'webgpu' ? await probeAttention(runtime, allocate) : Infinity,
    allocate,
  };
  return { runtime, device };
}

async function probeAttention(
  runtime: OrtRuntime,
  allocate: (numBytes: number) => DeviceBuffer,
): Promise<number> {
  const [keys, values] = [allocate(PROBE_CACHE_BYTES), allocate(PROBE_CACHE_BYTES)];
  try {
    const createSession = (model: Uint8Array) => openFfiSession(runtime, model, { numThreads: 1 });
    return await longestRun({ createSession, keys, values });
  } finally {
    keys.release();
    values.release();
  }
}

let exitsAtOnce = false;

/**
 * Makes the process end without the libraries' own clean-up. The clean-up frees data that the threads of a device's
 * driver may still use, so a process that has done its work would end with a segmentation fault.
 */
function exitAtOnce(): void {
  if (exitsAtOnce || process.platform === 'win32') return;
  exitsAtOnce = true;
  const exit = koffi.load(null).func('_exit', 'void', ['int']);
  process.once('exit', (code) => exit(code));
}

function describe({ kind, id }: Provider): string {
  if (kind === 'cuda') return `CUDA device ${id}`;
  const names = listVulkanDevices().map(({ name, isSoftware }) =>
    isSoftware ? `${name}, in software` : name,
  );
  return names.length === 0 ? 'WebGPU' : `WebGPU (${names.join('; ')})`;
}

class FfiDeviceBuffer implements DeviceBuffer {
  readonly numBytes: number;
  readonly handle: Pointer;
  readonly #api: OrtApi;
  readonly #allocator: Pointer;
  #released = false;

  constructor(api: OrtApi, allocator: Pointer, numBytes: number) {
    this.numBytes = numBytes;
    this.#api = api;
    this.#allocator = allocator;
    this.handle = allocate(api, allocator, numBytes);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#api.call('AllocatorFree', this.#allocator, this.handle);
  }
}

function allocate(api: OrtApi, allocator: Pointer, numBytes: number): Pointer {
  try {
    return api.out('AllocatorAlloc', allocator, numBytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RuntimeError(`The device has no ${numBytes} bytes in one piece: ${reason}`);
  }
}
