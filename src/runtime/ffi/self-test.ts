import { encodeModel, type ValueInfo } from '../../onnx/model-proto.ts';
import { RuntimeError, type TensorView } from '../session.ts';
import { type OrtRuntime, openFfiSession } from './ffi-session.ts';

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

/** The bytes of a model file with the graph z[4] = x[4] + y[4]. */
function addModel(): Uint8Array {
  const value = (name: string): ValueInfo => ({ name, type: 'float32', dims: [4] });
  return encodeModel(
    {
      name: 'self-test',
      nodes: [
        {
          name: 'add',
          type: 'Add',
          domain: '',
          inputs: ['x', 'y'],
          outputs: ['z'],
          attributes: {},
        },
      ],
      initializers: [],
      inputs: [value('x'), value('y')],
      outputs: [value('z')],
    },
    'thinkgate',
  );
}
