import { encodeModel } from '../../onnx/model-proto.ts';
import { plainNode } from '../../onnx/plain-node.ts';
import type { Backend } from './session.ts';

const LENGTH = 64;
const COLUMNS = 32;
const EXACT = 255 * 127 * LENGTH;

/**
 * Whether this CPU's kernels lose sums of 8-bit products. x86 without VNNI adds two products in 16 bits, which clips
 * large ones; the runtime's setting against it (SessionOptions.exactProducts) costs CPUs with VNNI three quarters of
 * their speed, so the largest products are multiplied once to see.
 * @throws RuntimeError when the backend cannot multiply integers at all
 */
export async function productsSaturate(backend: Backend): Promise<boolean> {
  const session = await backend.createSession(productGraph(), { numThreads: 1 });
  const found = new Int32Array(COLUMNS);
  try {
    const data = new Uint8Array(LENGTH).fill(255);
    await session.run(
      { x: { type: 'uint8', dims: [1, LENGTH], data } },
      { y: { type: 'int32', dims: [1, COLUMNS], data: found } },
    );
  } finally {
    await session.dispose();
  }
  return found.some((sum) => sum !== EXACT);
}

/** y[1, 32] = x[1, 64] · w, with every weight at the end of its range. */
function productGraph(): Uint8Array {
  const raw = new Uint8Array(LENGTH * COLUMNS).fill(127);
  return encodeModel(
    {
      name: 'product-check',
      nodes: [plainNode('MatMulInteger', ['x', 'w'], 'y')],
      initializers: [{ name: 'w', type: 'int8', dims: [LENGTH, COLUMNS], data: { raw } }],
      inputs: [{ name: 'x', type: 'uint8', dims: [1, LENGTH] }],
      outputs: [{ name: 'y', type: 'int32', dims: [1, COLUMNS] }],
    },
    'thinkgate',
  );
}
