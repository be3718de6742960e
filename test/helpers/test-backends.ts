import { openBackend } from '../../src/engine/runtime/backend.ts';
import { ON_CPU } from '../../src/engine/runtime/device-request.ts';
import type { Backend } from '../../src/engine/runtime/session.ts';

const DEVICES = ['webgpu', 'cuda'] as const;
export type TestBackend = 'ffi' | 'node' | (typeof DEVICES)[number];

/** What the suites of runtime and engine run on: both backends on the CPU, or a device that this variable names. */
export const TEST_BACKENDS: readonly TestBackend[] = readTestBackends(
  process.env['THINKGATE_TEST_DEVICE'],
);

/** The one for suites that need only one. */
export const TEST_BACKEND = TEST_BACKENDS[0] ?? 'ffi';

/** How often to do what is done by the hundred: less on a device, which may be software. */
export function times(count: number): number {
  return isDevice(TEST_BACKEND) ? count / 20 : count;
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
