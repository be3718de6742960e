import { encodeModel, plainNode } from '../../onnx/model-proto.ts';
import type { Backend, DeviceTensor } from './session.ts';
import { bytesOf } from './tensor-check.ts';

/** Fills tensors of one type on a device with zeros: memory there comes as its last user left it. */
export async function zeroTensors(
  backend: Backend,
  type: 'float32' | 'float16',
  tensors: readonly DeviceTensor[],
): Promise<void> {
  const session = await backend.createSession(fillModel(type), { numThreads: 1 });
  try {
    for (const tensor of tensors) {
      const dims = BigInt64Array.from(tensor.dims, BigInt);
      await session.run(
        { dims: { type: 'int64', dims: [dims.length], data: dims } },
        { zeros: tensor },
      );
    }
  } finally {
    await session.dispose();
  }
}

function fillModel(type: 'float32' | 'float16'): Uint8Array {
  const raw = new Uint8Array(bytesOf({ type, dims: [] }));
  const zero = { name: 'zero', type, dims: [], data: { raw } };
  return encodeModel(
    {
      name: 'fill',
      nodes: [plainNode('Expand', ['zero', 'dims'], 'zeros')],
      initializers: [zero],
      inputs: [{ name: 'dims', type: 'int64', dims: ['rank'] }],
      outputs: [{ name: 'zeros', type, dims: ['a', 'b', 'c', 'd'] }],
    },
    'thinkgate',
  );
}
