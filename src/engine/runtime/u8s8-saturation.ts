import { encodeModel, plainNode } from '../../onnx/model-proto.ts';
import type { Session } from './session.ts';

const LENGTH = 64;
const COLUMNS = 32;
const EXACT_SUM = 255 * 127 * LENGTH;

/**
 * The session setting that keeps U8S8 GEMMs from saturating: ONNX Runtime turns int8 weights into uint8 and takes a
 * kernel that sums in 32 bits.
 */
export const EXACT_U8S8_SETTING = 'session.x64quantprecision';

/**
 * Tells whether this CPU's U8S8 GEMM saturates. x86 without VNNI adds pairs of uint8 × int8 products in 16 bits
 * (`vpmaddubsw`), which loses the top of large sums. Backends ask once and then open every session with
 * EXACT_U8S8_SETTING. They do not set it on every CPU, because it costs CPUs with VNNI three quarters of their speed.
 * @param createSession opens a session without the setting
 * @throws RuntimeError when the backend cannot multiply integers at all
 */
export async function u8s8Saturates(
  createSession: (model: Uint8Array) => Promise<Session>,
): Promise<boolean> {
  const session = await createSession(gemmModel());
  const sums = new Int32Array(COLUMNS);
  try {
    const data = new Uint8Array(LENGTH).fill(255);
    await session.run(
      { x: { type: 'uint8', dims: [1, LENGTH], data } },
      { y: { type: 'int32', dims: [1, COLUMNS], data: sums } },
    );
  } finally {
    await session.dispose();
  }
  return sums.some((sum) => sum !== EXACT_SUM);
}

/** y[1, 32] = x[1, 64] · w, with every weight at the end of its range. */
function gemmModel(): Uint8Array {
  const raw = new Uint8Array(LENGTH * COLUMNS).fill(127);
  return encodeModel(
    {
      name: 'u8s8-gemm',
      nodes: [plainNode('MatMulInteger', ['x', 'w'], 'y')],
      initializers: [{ name: 'w', type: 'int8', dims: [LENGTH, COLUMNS], data: { raw } }],
      inputs: [{ name: 'x', type: 'uint8', dims: [1, LENGTH] }],
      outputs: [{ name: 'y', type: 'int32', dims: [1, COLUMNS] }],
    },
    'thinkgate',
  );
}
