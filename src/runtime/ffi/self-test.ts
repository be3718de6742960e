import { RuntimeError, type TensorView } from '../session.ts';
import { type OrtRuntime, openFfiSession } from './ffi-session.ts';

const FLOAT = 1;
const OPSET = 13;
const IR_VERSION = 8;

/**
 * Proves that the binding and the library understand each other before anything depends on it: a graph `z = x + y` is
 * loaded from memory and run twice with `z` written over `x`.
 * @throws RuntimeError that says what went wrong
 */
export async function selfTest(runtime: OrtRuntime): Promise<void> {
  const memory = Float32Array.of(-1, 1, 2, 3, 4, -1);
  const x: TensorView = { type: 'float32', dims: [4], data: memory.subarray(1, 5) };
  const y: TensorView = { type: 'float32', dims: [4], data: Float32Array.of(10, 20, 30, 40) };
  const session = await openFfiSession(runtime, addModel(), { numThreads: 1, keepBindings: true });
  try {
    await session.run({ x, y }, { z: x });
    await session.run({ x, y }, { z: x });
  } finally {
    await session.dispose();
  }
  const expected = '-1,21,42,63,84,-1';
  if (memory.join() !== expected) {
    throw new RuntimeError(`The in-place self-test gave ${memory.join()}, expected ${expected}.`);
  }
}

/** The bytes of an ONNX file with the graph z[4] = x[4] + y[4]; field numbers are those of onnx.proto. */
function addModel(): Uint8Array {
  const value = (name: string): number[] => {
    const shape = message(2, message(1, varint(1, 4)));
    return [...text(1, name), ...message(2, message(1, [...varint(1, FLOAT), ...shape]))];
  };
  const node = [...text(1, 'x'), ...text(1, 'y'), ...text(2, 'z'), ...text(4, 'Add')];
  const graph = [
    ...message(1, node),
    ...text(2, 'self-test'),
    ...message(11, value('x')),
    ...message(11, value('y')),
    ...message(12, value('z')),
  ];
  const opset = message(8, varint(2, OPSET));
  return Uint8Array.from([...varint(1, IR_VERSION), ...message(7, graph), ...opset]);
}

/** Fields of protobuf's wire format; every number and length here is below 128 and takes one byte. */
function varint(field: number, value: number): number[] {
  return [field << 3, value];
}

function message(field: number, bytes: readonly number[]): number[] {
  return [(field << 3) | 2, bytes.length, ...bytes];
}

function text(field: number, value: string): number[] {
  return message(field, [...Buffer.from(value)]);
}
