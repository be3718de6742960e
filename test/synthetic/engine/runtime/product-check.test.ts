import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openBackend } from '../../../../src/engine/runtime/backend.ts';
import { productsSaturate } from '../../../../src/engine/runtime/product-check.ts';
import type { Backend, Session, TensorView } from '../../../../src/engine/runtime/session.ts';

/** The backend with every session's sums changed on the way out. */
function altered(backend: Backend, change: (sum: number) => number): Backend {
  return {
    ...backend,
    createSession: async (model, options) => {
      const session = await backend.createSession(model, options);
      const run: Session['run'] = async (feeds, fetches, signal) => {
        await session.run(feeds, fetches, signal);
        for (const tensor of Object.values(fetches)) {
          const { data } = tensor as TensorView;
          assert.ok(data instanceof Int32Array);
          data.forEach((sum, i) => {
            data[i] = change(sum);
          });
        }
      };
      return { ...session, run, dispose: () => session.dispose() };
    },
  };
}

describe('the check of 8-bit products', () => {
  it('finds sums that are off by one clipped pair, and only those', async () => {
    const { backend } = await openBackend('ffi');
    const exact = altered(backend, () => 255 * 127 * 64);
    const clipped = altered(backend, () => 32_767 * 32);
    assert.equal(await productsSaturate(exact), false);
    assert.equal(await productsSaturate(clipped), true);
  });

  it('finds none in sessions that are asked for exact products, on any machine', async () => {
    const { backend } = await openBackend('ffi');
    const careful: Backend = {
      ...backend,
      createSession: (model, options) =>
        backend.createSession(model, { ...options, exactProducts: true }),
    };
    assert.equal(await productsSaturate(careful), false);
  });

  it('finds the same through both bindings', async () => {
    const [ffi, stock] = await Promise.all(
      (['ffi', 'node'] as const).map((name) => openBackend(name)),
    );
    assert.equal(await productsSaturate(ffi!.backend), await productsSaturate(stock!.backend));
  });
});
