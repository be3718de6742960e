import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import type { Session, TensorView } from '../../../../src/engine/runtime/session.ts';
import { u8s8Saturates } from '../../../../src/engine/runtime/u8s8-saturation.ts';

/** Opens sessions whose every output element is `sum`. */
async function sessionsThatGive(sum: number): Promise<(model: Uint8Array) => Promise<Session>> {
  const { backend } = await openBackend('ffi');
  return async (model) => {
    const session = await backend.createSession(model, { numThreads: 1 });
    const run: Session['run'] = async (feeds, fetches, signal) => {
      await session.run(feeds, fetches, signal);
      for (const tensor of Object.values(fetches)) {
        const { data } = tensor as TensorView;
        assert.ok(data instanceof Int32Array);
        data.fill(sum);
      }
    };
    return { ...session, run, dispose: () => session.dispose() };
  };
}

describe('u8s8Saturates', () => {
  it('tells saturated sums from exact ones', async () => {
    const saturatedPair = 32_767;
    assert.equal(await u8s8Saturates(await sessionsThatGive(255 * 127 * 64)), false);
    assert.equal(await u8s8Saturates(await sessionsThatGive(saturatedPair * 32)), true);
  });
});

describe('a backend', () => {
  for (const name of ['ffi', 'node'] as const) {
    it(`opens sessions whose U8S8 GEMMs are exact on any CPU, through ${name}`, async () => {
      const { backend } = await openBackend(name);
      const createSession = (model: Uint8Array) => backend.createSession(model, { numThreads: 1 });
      assert.equal(await u8s8Saturates(createSession), false);
    });
  }
});
