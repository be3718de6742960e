import { openBackend } from '../../src/engine/runtime/backend.ts';
import { ON_CPU } from '../../src/engine/runtime/device-request.ts';

/**
 * Tells whether this machine has a WebGPU device with shaders of a type, be it a GPU or a software Vulkan driver.
 * @returns false where there is one, else the reason to skip a test; for `it`'s option `skip`
 */
export async function webgpuLacks(type: 'float32' | 'float16'): Promise<string | false> {
  try {
    const { backend } = await openBackend('ffi', { ...ON_CPU, preference: 'webgpu' });
    if (type === 'float32' || backend.device?.hasFloat16) return false;
    return `${backend.device?.description} has no float16 shaders`;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return `no WebGPU device (VK_ICD_FILENAMES names a Vulkan driver): ${message}`;
  }
}
