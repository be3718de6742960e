import { openFfiBackend } from './ffi/ffi-backend.ts';
import type { Backend } from './session.ts';
import { openStockBackend } from './stock/stock-backend.ts';

export type BackendPreference = 'auto' | 'ffi' | 'stock';

export interface OpenedBackend {
  readonly backend: Backend;
  /** Set when `auto` had to fall back to the stock binding: why the FFI binding could not be used. */
  readonly fallbackReason?: string;
}

/**
 * Opens the way to ONNX Runtime. `auto` is the FFI binding where it loads and passes its self-test, else the stock one.
 * @throws RuntimeError when the backend asked for cannot be used
 */
export async function openBackend(preference: BackendPreference): Promise<OpenedBackend> {
  if (preference === 'stock') return { backend: await openStockBackend() };
  if (preference === 'ffi') return { backend: await openFfiBackend() };
  try {
    return { backend: await openFfiBackend() };
  } catch (error) {
    const fallbackReason = error instanceof Error ? error.message : String(error);
    return { backend: await openStockBackend(), fallbackReason };
  }
}
