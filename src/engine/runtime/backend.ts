import { existsSync } from 'node:fs';
import { type DeviceRequest, ON_CPU } from './device-request.ts';
import { openFfiBackend } from './ffi/ffi-backend.ts';
import { cudaProviderPath } from './ffi/ort-library.ts';
import { listVulkanDevices } from './ffi/vulkan-devices.ts';
import { openNodeBackend } from './node-backend.ts';
import { type Backend, RuntimeError } from './session.ts';

export type BackendPreference = 'auto' | 'ffi' | 'node';

export interface OpenedBackend {
  readonly backend: Backend;
  /** Why `auto` fell back to the node backend; absent when it did not. */
  readonly fallbackReason?: string;
  /** Why `auto` did not take a faster device; absent when there is none. */
  readonly deviceReason?: string;
}

/**
 * Opens ONNX Runtime on a device. The preference `auto` takes the FFI binding where it loads and passes its self-test,
 * else the node backend, which computes on the CPU only. The device `auto` is the fastest that works: CUDA, then WebGPU
 * on a GPU, then the CPU.
 * @throws RuntimeError when the requested backend or device cannot be used
 */
export async function openBackend(
  preference: BackendPreference,
  device: DeviceRequest = ON_CPU,
): Promise<OpenedBackend> {
  const { preference: kind } = device;
  if (preference === 'node') {
    if (kind === 'cpu' || kind === 'auto') return { backend: await openNodeBackend() };
    throw new RuntimeError(`--backend node computes on the CPU only, not on --device ${kind}.`);
  }
  if (kind === 'cuda' || kind === 'webgpu') return { backend: await openDevice(kind, device) };
  const onCpu = await openOnCpu(preference);
  if (kind === 'cpu' || onCpu.fallbackReason !== undefined) return onCpu;
  const { backend, reasons } = await findDevice(device);
  const deviceReason = reasons.join('; ');
  return { backend: backend ?? onCpu.backend, ...(deviceReason === '' ? {} : { deviceReason }) };
}

async function openOnCpu(preference: 'auto' | 'ffi'): Promise<OpenedBackend> {
  if (preference === 'ffi') return { backend: await openFfiBackend(null) };
  try {
    return { backend: await openFfiBackend(null) };
  } catch (error) {
    const fallbackReason = error instanceof Error ? error.message : String(error);
    return { backend: await openNodeBackend(), fallbackReason };
  }
}

/** @throws RuntimeError that says what is missing and how to install it */
async function openDevice(
  kind: 'webgpu' | 'cuda',
  { id, memoryLimit }: DeviceRequest,
): Promise<Backend> {
  const provider = kind === 'cuda' ? { kind, id, memoryLimit } : { kind, id: 0, memoryLimit: null };
  await openFfiBackend(null);
  try {
    return await openFfiBackend(provider);
  } catch (error) {
    throw new RuntimeError(`--device ${kind} cannot be used: ${oneLine(error)} ${REMEDIES[kind]}`);
  }
}

interface FoundDevice {
  /** null when only the CPU works. */
  readonly backend: Backend | null;
  /** Why each faster device is not in use. */
  readonly reasons: readonly string[];
}

async function findDevice(request: DeviceRequest): Promise<FoundDevice> {
  const reasons: string[] = [];
  for (const kind of ['cuda', 'webgpu'] as const) {
    try {
      const absence = absenceOf(kind);
      if (absence === null) return { backend: await openDevice(kind, request), reasons };
      reasons.push(`${kind}: ${absence}`);
    } catch (error) {
      reasons.push(oneLine(error));
    }
  }
  return { backend: null, reasons };
}

/** Tells why a device cannot work, without loading its provider. Returns null when it may work. */
function absenceOf(kind: 'webgpu' | 'cuda'): string | null {
  if (kind === 'cuda') {
    return existsSync(cudaProviderPath()) ? null : "ONNX Runtime's provider is not installed";
  }
  // macOS and Windows have a driver for every GPU and offer no software device.
  if (process.platform !== 'linux') return null;
  const devices = listVulkanDevices();
  if (devices.some(({ isSoftware }) => !isSoftware)) return null;
  if (devices.length === 0) return 'there is no Vulkan driver';
  return `Vulkan has only software (${devices.map(({ name }) => name).join(', ')})`;
}

const REMEDIES = {
  webgpu:
    process.platform === 'linux'
      ? "It needs the GPU's Vulkan driver and the Vulkan loader (Debian: libvulkan1)."
      : 'It needs a GPU with a current driver.',
  cuda:
    "Its provider is fetched by onnxruntime-node's installer (node node_modules/onnxruntime-node/script/install.js " +
    "--onnxruntime-node-install); it also needs NVIDIA's driver and CUDA 13's libraries.",
} as const;

/** Puts an error on one line, without the source location and condition that ONNX Runtime puts before its message. */
function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text
    .replaceAll(/\s+/g, ' ')
    .replace(/^\/\S*onnxruntime.*?(?=Failed to )/, '')
    .trim();
  return line.endsWith('.') ? line : `${line}.`;
}
