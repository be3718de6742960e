import { findDevice, openDevice } from './device-choice.ts';
import { type DeviceRequest, ON_CPU } from './device-request.ts';
import { openFfiBackend } from './ffi/ffi-backend.ts';
import { openNodeBackend } from './node/node-backend.ts';
import { type Backend, RuntimeError } from './session.ts';

export type BackendPreference = 'auto' | 'ffi' | 'node';

export interface OpenedBackend {
  readonly backend: Backend;
  /** Set when `auto` had to fall back to the node backend: why the FFI binding could not be used. */
  readonly fallbackReason?: string;
  /** Set when the device `auto` took is not the best there could be: what became of the others. */
  readonly deviceReason?: string;
}

/**
 * Opens the way to ONNX Runtime and the device it computes on. `auto` is the FFI binding where it loads and passes its
 * self-test, else the stock one, which computes on the CPU only.
 * @throws RuntimeError when the backend or device asked for cannot be used
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
