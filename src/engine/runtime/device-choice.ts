import { existsSync } from 'node:fs';
import type { DeviceRequest } from './device-request.ts';
import { openFfiBackend } from './ffi/ffi-backend.ts';
import { cudaProviderPath } from './ffi/ort-library.ts';
import { listVulkanDevices } from './ffi/vulkan-devices.ts';
import { type Backend, RuntimeError } from './session.ts';

/**
 * Opens a device that was asked for by name.
 * @throws RuntimeError that says what is missing and how to get it
 */
export async function openDevice(
  kind: 'webgpu' | 'cuda',
  { id, memoryLimit }: DeviceRequest,
): Promise<Backend> {
  const provider = kind === 'cuda' ? { kind, id, memoryLimit } : { kind, id: 0, memoryLimit: null };
  await openFfiBackend(null);
  try {
    return await openFfiBackend(provider);
  } catch (error) {
    throw new RuntimeError(
      `--device ${kind} cannot be used: ${messageOf(error)} ${REMEDIES[kind]}`,
    );
  }
}

export interface AutomaticDevice {
  /** null where there is none but the CPU. */
  readonly backend: Backend | null;
  /** Why what would have been better is not in use; empty where nothing would. */
  readonly reasons: readonly string[];
}

/** The best device that works: CUDA, else WebGPU on a GPU that is none in software. */
export async function findDevice(request: DeviceRequest): Promise<AutomaticDevice> {
  const reasons: string[] = [];
  for (const kind of ['cuda', 'webgpu'] as const) {
    try {
      const absence = absenceOf(kind);
      if (absence === null) return { backend: await openDevice(kind, request), reasons };
      reasons.push(`${kind}: ${absence}`);
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  return { backend: null, reasons };
}

/** What is plainly not there, found without loading a provider. */
function absenceOf(kind: 'webgpu' | 'cuda'): string | null {
  if (kind === 'cuda') {
    return existsSync(cudaProviderPath()) ? null : "ONNX Runtime's provider is not installed";
  }
  // macOS and Windows bring a driver for every GPU, and do not offer software in its place.
  if (process.platform !== 'linux') return null;
  const devices = listVulkanDevices();
  if (devices.some(({ isSoftware }) => !isSoftware)) return null;
  if (devices.length === 0) return 'there is no Vulkan driver';
  return `Vulkan has only software (${devices.map(({ name }) => name).join(', ')})`;
}

const REMEDIES = {
  webgpu:
    process.platform === 'linux'
      ? "It needs a Vulkan driver of the GPU's, and Vulkan's loader (Debian: libvulkan1)."
      : 'It needs a GPU with a current driver.',
  cuda:
    "Its provider is fetched by onnxruntime-node's installer (node node_modules/onnxruntime-node/script/install.js " +
    "--onnxruntime-node-install); it also needs NVIDIA's driver and CUDA 13's libraries.",
} as const;

/** One line, without the place in its source and the condition that ONNX Runtime puts before what it says. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text
    .replaceAll(/\s+/g, ' ')
    .replace(/^\/\S*onnxruntime.*?(?=Failed to )/, '')
    .trim();
  return line.endsWith('.') ? line : `${line}.`;
}
