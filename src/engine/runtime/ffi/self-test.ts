import { encodeModel, plainNode, type ValueInfo } from '../../../onnx/model-proto.ts';
import { type DeviceBuffer, RuntimeError, type Tensor, type TensorView } from '../session.ts';
import { type FfiSession, type OrtRuntime, openFfiSession } from './ffi-session.ts';

/** Bytes of device memory that deviceSelfTest needs. */
export const SELF_TEST_BYTES = 4 * Float32Array.BYTES_PER_ELEMENT;

/**
 * Tests the binding against the library before anything depends on it: loads a graph `z = x + y` from memory and runs it
 * twice with `z` written over `x`.
 * @throws RuntimeError that says what went wrong
 */
export async function selfTest(runtime: OrtRuntime): Promise<void> {
  const memory = Float32Array.of(-1, 1, 2, 3, 4, -1);
  const x = vector(memory.subarray(1, 5));
  const y = vector(Float32Array.of(10, 20, 30, 40));
  const session = await openAddition(runtime, 'float32');
  try {
    await session.run({ x, y }, { z: x });
    await session.run({ x, y }, { z: x });
  } finally {
    await session.dispose();
  }
  expectSum('in-place', memory, '-1,21,42,63,84,-1');
}

/**
 * Tests a device: copies `x` to it, writes `z` over `x` in the device's memory, and copies the sum back.
 * @throws RuntimeError that says what went wrong
 */
export async function deviceSelfTest(session: FfiSession, buffer: DeviceBuffer): Promise<void> {
  const there: Tensor = { type: 'float32', dims: [4], buffer };
  const sum = new Float32Array(4);
  const back = vector(sum);
  const y = vector(Float32Array.of(10, 20, 30, 40));
  await session.run({ x: vector(Float32Array.of(1, 2, 3, 4)), y }, { z: there });
  await session.run({ x: there, y }, { z: there });
  await session.run({ x: there, y }, { z: back });
  expectSum("device's", sum, '31,62,93,124');
}

/** Tells whether the runtime's device computes in float16. */
export async function hasFloat16(runtime: OrtRuntime): Promise<boolean> {
  const x: TensorView = { type: 'float16', dims: [4], data: new Uint16Array(4) };
  try {
    const session = await openAddition(runtime, 'float16');
    await session.run({ x, y: x }, { z: x }).finally(() => session.dispose());
    return true;
  } catch {
    // A provider without float16 rejects the kernel, each with its own message.
    return false;
  }
}

/** Opens the graph z[4] = x[4] + y[4]. */
export function openAddition(
  runtime: OrtRuntime,
  type: 'float32' | 'float16',
): Promise<FfiSession> {
  const value = (name: string): ValueInfo => ({ name, type, dims: [4] });
  const model = encodeModel(
    {
      name: 'self-test',
      nodes: [plainNode('Add', ['x', 'y'], 'z')],
      initializers: [],
      inputs: [value('x'), value('y')],
      outputs: [value('z')],
    },
    'thinkgate',
  );
  return openFfiSession(runtime, model, { numThreads: 1, keepBindings: true });
}

function vector(data: Float32Array): TensorView {
  return { type: 'float32', dims: [data.length], data };
}

function expectSum(name: string, actual: ArrayLike<number>, expected: string): void {
  const found = Array.from(actual).join();
  if (found !== expected) {
    throw new RuntimeError(`The ${name} self-test gave ${found}, expected ${expected}.`);
  }
}
