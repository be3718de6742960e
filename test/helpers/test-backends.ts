import { openBackend } from '../../src/engine/runtime/backend.ts';
import { ON_CPU } from '../../src/engine/runtime/device-request.ts';
import type { Backend } from '../../src/engine/runtime/session.ts';
import { repetitions } from './corpus-sample.ts';

const DEVICES = ['webgpu', 'cuda'] as const;
export type TestBackend = 'ffi' | 'node' | (typeof DEVICES)[number];

/** The backends that the suites of runtime and engine run on: both on the CPU, or the device THINKGATE_TEST_DEVICE. */
export const TEST_BACKENDS: readonly TestBackend[] = readTestBackends(
  process.env['THINKGATE_TEST_DEVICE'],
);

/** The backend of suites that need one only. */
export const TEST_BACKEND = TEST_BACKENDS[0] ?? 'ffi';

/** A count of repetitions, reduced where the corpus is sampled, and on a device, which may be software. */
export function times(count: number): number {
  return isDevice(TEST_BACKEND) ? count / 20 : repetitions(count, count / 5);
}

export async function openTestBackend(name: TestBackend = TEST_BACKEND): Promise<Backend> {
  const { backend } = await (isDevice(name)
    ? openBackend('ffi', { ...ON_CPU, preference: name })
    : openBackend(name));
  return backend;
}

function isDevice(name: TestBackend): name is (typeof DEVICES)[number] {
  return name === 'webgpu' || name === 'cuda';
}

function readTestBackends(device: string | undefined): readonly TestBackend[] {
  if (device === undefined) return ['ffi', 'node'];
  const known = DEVICES.find((name) => name === device);
  if (known !== undefined) return [known];
  throw new Error(`THINKGATE_TEST_DEVICE can be webgpu or cuda, not ${device}.`);
}
